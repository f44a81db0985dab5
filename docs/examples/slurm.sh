#!/bin/bash
# Works through a bundle on GPU nodes, one shard a node:
#     sbatch --array=1-16 docs/examples/slurm.sh BUNDLE generate
# A job that runs out of time is put back into the queue and goes on where it stopped. BUNDLE is on a file system that all
# nodes share; each shard has a journal of its own there. To run a few shards again, say how many there are in all:
#     SHARDS=16 sbatch --array=3,7 docs/examples/slurm.sh BUNDLE generate
#SBATCH --job-name=hyotei
#SBATCH --nodes=1
#SBATCH --gres=gpu:4
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@180
# 180 seconds before the end, TERM goes to this script alone (B:), which passes it on to the runner. The runner waits up to
# --grace seconds for answers on their way, ends its server and leaves with status 75: “run me again”.
set -u
bundle=${1:?which bundle?}
what=${2:-generate} # or judge
if [ -z "${SHARDS:-}" ] && [ "${SLURM_ARRAY_TASK_MIN:-1}-${SLURM_ARRAY_TASK_MAX:-1}" != "1-${SLURM_ARRAY_TASK_COUNT:-1}" ]; then
    echo "the array does not count from 1 to the number of shards: say --array=1-N, or how many shards there are with SHARDS=N" >&2
    exit 1
fi
shard=${SLURM_ARRAY_TASK_ID:-1}/${SHARDS:-${SLURM_ARRAY_TASK_COUNT:-1}}
export HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1

"${PYTHON:-python}" -m "offline.$what" "$bundle" --shard "$shard" --serve --serve-command "${SERVE_COMMAND:-vllm serve}" \
    --serve-options="${SERVE_OPTIONS---tensor-parallel-size 4}" --in-flight "${IN_FLIGHT:-512}" --grace 60 &
runner=$!
stopped=
trap 'stopped=yes; kill -TERM "$runner" 2>/dev/null' TERM
while wait "$runner"; status=$?; [ -n "$stopped" ]; do # wait ends when a signal comes, not only when the runner does
    stopped=
done
# 75: “run me again”; 143: the signal came before it could say so
if { [ "$status" -eq 75 ] || [ "$status" -eq 143 ]; } && [ -n "${SLURM_JOB_ID:-}" ]; then
    scontrol requeue "$SLURM_JOB_ID" # in an array, each task has a job id of its own
fi
exit "$status"
