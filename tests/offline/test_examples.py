"""The examples of docs/gpu.md, as far as they go without a cluster."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from offline import batch_file
from offline.journal import read_lines
from tests.offline.judged import judge_bundle
from tests.offline.test_batch_file import lines, requests

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"


SLURM = EXAMPLES / "slurm.sh"


@pytest.fixture
def slurm(tmp_path):
    """`slurm(3, "1-16", BUNDLE, "judge")` starts the script as task 3 of such an array is; `scontrol` notes what it was told."""
    programs = tmp_path / "programs"
    programs.mkdir()
    scontrol = programs / "scontrol"
    scontrol.write_text(f'#!/bin/bash\necho "$@" >> {tmp_path}/requeued\n')
    scontrol.chmod(0o755)
    started = []

    def start(task: int, array: str, *arguments: object, **variables: str) -> subprocess.Popen:
        tasks = [int(one) for one in array.split(",")] if "," in array else range_of(array)
        environment = {
            **os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "SLURM_JOB_ID": str(100 + task),
            "SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": str(len(tasks)),
            "SLURM_ARRAY_TASK_MIN": str(min(tasks)), "SLURM_ARRAY_TASK_MAX": str(max(tasks)), **variables,
        }  # fmt: skip
        process = subprocess.Popen(
            [SLURM, *map(str, arguments)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def range_of(array: str) -> list[int]:
    first, last = map(int, array.split("-"))
    return list(range(first, last + 1))


@pytest.fixture
def runner(tmp_path):
    """Stands in for Python: notes how it was called and, when told to stop, does what STOPPED says."""
    program = tmp_path / "runner"
    program.write_text(
        "#!/bin/bash\ntrap 'sleep 0.1; eval \"$STOPPED\"' TERM\n"
        f'echo "$@" > {tmp_path}/called.new && mv {tmp_path}/called.new {tmp_path}/called\n'
        "for _ in $(seq 100); do sleep 0.1; done\n"
    )
    program.chmod(0o755)
    return str(program)


def test_the_slurm_script_is_one_that_bash_can_read():
    assert subprocess.run(["bash", "-n", SLURM], capture_output=True, text=True).stderr == ""
    assert "\n#SBATCH --signal=B:TERM@180\n" in SLURM.read_text().partition("set -u")[0]  # before any command


@pytest.mark.parametrize(
    ("stopped", "status", "requeued"),
    [
        ("exit 75", 75, True),
        ("exit 1", 1, False),
        ("exit 0", 0, False),
        ("trap - TERM; kill -TERM $$", 143, True),
    ],
    ids=["resumable", "failed", "done", "killed by the signal itself"],
)
def test_a_job_whose_time_is_up_is_put_back_into_the_queue(
    slurm, runner, tmp_path, stopped, status, requeued
):
    process = slurm(3, "1-16", "a bundle", "judge", PYTHON=runner, STOPPED=stopped)
    wait_for((tmp_path / "called").exists)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)  # as --signal=B:TERM does: to the script alone

    assert process.wait(20) == status
    assert (tmp_path / "requeued").exists() == requeued
    if requeued:
        assert (tmp_path / "requeued").read_text() == "requeue 103\n"
    called = (tmp_path / "called").read_text()
    assert called.startswith(
        "-m offline.judge a bundle --shard 3/16 --serve --serve-command vllm serve --serve-options=--tensor-parallel-size 4"
    )


def test_three_tasks_work_through_a_bundle_and_one_whose_time_was_up_goes_on(slurm, bundle, tmp_path):
    folder = bundle(30, turns=2)
    (folder / "slow").touch()
    server = shlex.join([sys.executable, "-S", str(Path(__file__).with_name("a_server.py")), str(folder)])
    said = {"PYTHON": sys.executable, "SERVE_COMMAND": server, "SERVE_OPTIONS": "", "IN_FLIGHT": "1"}
    tasks = {task: slurm(task, "1-3", folder, **said) for task in (1, 2, 3)}
    journal = folder / "results-2-of-3.jsonl"
    wait_for(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 3)
    tasks[2].send_signal(signal.SIGTERM)

    assert {task: process.wait(60) for task, process in tasks.items()} == {1: 0, 2: 75, 3: 0}
    assert (tmp_path / "requeued").read_text() == "requeue 102\n"
    before = journal.read_bytes()
    (folder / "slow").unlink()
    assert slurm(2, "1-3", folder, **said).wait(60) == 0

    assert journal.read_bytes().startswith(before)
    found = [
        (line["item_id"], line["turn"]) for path in folder.glob("results-*") for line in journal_lines(path)
    ]
    assert len(found) == len(set(found)) == 60
    starts = [json.loads(line)["arguments"] for line in (folder / "starts.jsonl").read_text().splitlines()]
    assert len(starts) == 4
    assert not any("--tensor-parallel-size" in start for start in starts)


@pytest.mark.parametrize("array", ["0-15", "3,7", "2-16"])
def test_an_array_that_is_not_1_to_n_is_refused_before_anything_is_asked(slurm, runner, tmp_path, array):
    process = slurm(3, array, "a bundle", PYTHON=runner)

    assert "SHARDS=N" in process.communicate(timeout=20)[1]
    assert process.returncode == 1
    assert not (tmp_path / "called").exists()


def test_a_few_shards_are_run_again_when_told_how_many_there_are(slurm, runner, tmp_path):
    slurm(7, "3,7", "a bundle", PYTHON=runner, SHARDS="16")
    wait_for((tmp_path / "called").exists)

    assert "--shard 7/16" in (tmp_path / "called").read_text()


def wait_for(condition, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def journal_lines(path: Path) -> list[dict]:
    return [line for _offset, line in read_lines(path)]


@pytest.fixture
def ray_data():
    spec = importlib.util.spec_from_file_location("ray_data", EXAMPLES / "ray_data.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ray_data_s_rows_are_a_bundle_s_requests_and_answers(ray_data, bundle):
    folder = bundle(3)
    batch_file.main(["write", str(folder)])
    rows = []
    for request in requests(folder):
        row = ray_data.asked(request)
        assert row["sampling_params"]["seed"] == request["body"]["seed"]
        assert "messages" not in row["sampling_params"]
        tokens = 2048 if not rows else 5
        rows.append(ray_data.answered({**row, "generated_text": "答え", "num_generated_tokens": tokens}))
    (folder / "batch/outputs/000000.json").write_text("\n".join(map(json.dumps, rows)))

    assert batch_file.main(["read", str(folder)]) == 75
    assert [line["content"] for line in lines(folder)] == ["答え"] * 3
    assert sum(line["truncated"] for line in lines(folder)) == 1


def test_ray_data_refuses_what_it_would_leave_unconstrained(ray_data, tmp_path):
    folder = judge_bundle(tmp_path / "b", "five-axes-json")
    batch_file.main(["write", str(folder)])
    with pytest.raises(ValueError, match="constrained"):
        ray_data.asked(requests(folder)[0])
