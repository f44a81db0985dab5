"""The examples of docs/gpu.md, as far as they go without a cluster."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from offline import batch_file
from tests.offline.judged import judge_bundle
from tests.offline.test_batch_file import lines, requests

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


@pytest.fixture
def job(tmp_path):
    """`job(status)` starts the Slurm script with a runner that ends with that status when told to stop."""
    runner, scontrol = tmp_path / "runner", tmp_path / "scontrol"
    runner.write_text(
        "#!/bin/bash\ntrap 'sleep 0.1; exit $STATUS' TERM\n"
        f'echo "$@" > {tmp_path}/called\nfor _ in $(seq 100); do sleep 0.1; done\n'
    )
    scontrol.write_text(f'#!/bin/bash\necho "$@" > {tmp_path}/requeued\n')
    for program in (runner, scontrol):
        program.chmod(0o755)
    started = []

    def start(status: int) -> subprocess.Popen:
        environment = {
            **os.environ, "PYTHON": str(runner), "STATUS": str(status), "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "SLURM_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "16",
        }  # fmt: skip
        process = subprocess.Popen([EXAMPLES / "slurm.sh", "a bundle", "judge"], env=environment)
        started.append(process)
        while not (tmp_path / "called").exists():
            time.sleep(0.01)
        time.sleep(0.05)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("status", "requeued"), [(75, True), (1, False), (0, False)])
def test_a_job_whose_time_is_up_is_put_back_into_the_queue(job, tmp_path, status, requeued):
    process = job(status)
    process.send_signal(signal.SIGTERM)  # as --signal=B:TERM does: to the script alone

    assert process.wait(20) == status
    assert (tmp_path / "requeued").exists() == requeued
    if requeued:
        assert (tmp_path / "requeued").read_text() == "requeue 17\n"
    called = (tmp_path / "called").read_text()
    assert called.startswith(
        "-m offline.judge a bundle --shard 3/16 --serve --serve-options=--tensor-parallel-size 4"
    )


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
