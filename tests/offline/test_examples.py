"""The examples of docs/gpu.md, as far as they go without a cluster."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from offline import batch_file
from offline.bundle import SAMPLING
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


@dataclass
class Rows:
    """As much of a Ray dataset as the example uses."""

    rows: list[dict]

    def map(self, change) -> Rows:
        return Rows([change(row) for row in self.rows])

    def write_json(self, folder: str) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(row) for row in self.rows]
        Path(folder, f"{len(list(Path(folder).iterdir()))}_000000.json").write_text("\n".join(lines))


@pytest.fixture
def ray_data(monkeypatch):
    """The example, where `ray` does as Ray 2.60 was seen to do: `ray_data.configured` and `ray_data.asked_of_engine` are what it got.

    `ray_data.says(row)` is the engine; what it raises becomes a row's error.
    """
    said = SimpleNamespace(configured=None, asked_of_engine=[], says=lambda row: "答え")

    def engine(row: dict) -> dict:
        assert "model" not in row, "it would be taken for the name of an adapter"
        said.asked_of_engine.append(row)
        try:
            text, error = said.says(row), ""
        except ValueError as refused:
            text, error = "", f"ValueError: {refused}"
        return {
            **row, "generated_text": text, "num_generated_tokens": len(text), "num_input_tokens": 7, "__inference_error__": error,
        }  # fmt: skip

    def build_processor(config: dict, *, preprocess):
        said.configured = config
        return lambda rows: Rows([engine({**row, **preprocess(row)}) for row in rows.rows])

    def read_text(paths: list[str]) -> Rows:
        return Rows([{"text": line} for path in paths for line in Path(path).read_text().splitlines()])

    ray, data, llm = ModuleType("ray"), ModuleType("ray.data"), ModuleType("ray.data.llm")
    ray.data, data.read_text = data, read_text
    llm.build_processor, llm.vLLMEngineProcessorConfig = build_processor, dict
    for module in (ray, data, llm):
        monkeypatch.setitem(sys.modules, module.__name__, module)

    def run(folder: Path, *more: str) -> None:
        monkeypatch.setattr(sys, "argv", ["ray_data.py", str(folder), *more])
        runpy.run_path(str(EXAMPLES / "ray_data.py"), run_name="__main__")

    said.run = run
    return said


def test_ray_data_answers_a_bundle_round_by_round(ray_data, bundle):
    folder = bundle(3, turns=2)
    for status in (75, 0):
        assert batch_file.main(["write", str(folder)]) == 75
        ray_data.run(folder)
        assert batch_file.main(["read", str(folder)]) == status

    assert [line["content"] for line in lines(folder)] == ["答え"] * 6
    first, *_, last = ray_data.asked_of_engine
    assert [message["role"] for message in last["messages"]] == ["user", "assistant", "user"]
    assert len({row["sampling_params"]["seed"] for row in ray_data.asked_of_engine}) == 6
    assert not {"messages", "model", "chat_template"} & set(first["sampling_params"])


def test_ray_data_s_engine_is_what_the_manifest_asks_for(ray_data, bundle):
    template = {"text": "{{ messages }}", "sha256": "0"}
    folder = bundle(
        1, turns=1, engine={"dtype": "bfloat16"}, chat_template=template, chat_template_kwargs={"thinking": False}
    )  # fmt: skip
    batch_file.main(["write", str(folder)])
    ray_data.run(folder, "--replicas", "2", "--engine-options", '{"tensor_parallel_size": 8}')

    assert ray_data.configured["model_source"] == "tiny"
    assert ray_data.configured["concurrency"] == 2
    assert ray_data.configured["engine_kwargs"] == {
        "generation_config": "vllm", "dtype": "bfloat16", "tensor_parallel_size": 8,
    }  # fmt: skip
    assert ray_data.configured["chat_template_stage"] == {
        "chat_template": "{{ messages }}", "chat_template_kwargs": {"thinking": False},
    }  # fmt: skip


def test_ray_data_asks_again_for_what_failed_and_tells_what_was_cut_off(ray_data, bundle):
    folder = bundle(3, turns=1, sampling={**SAMPLING, "max_tokens": 5})

    def says(row):
        if "質問 1" in row["messages"][0]["content"]:
            raise ValueError("the engine is out of memory")
        return "短い" if "質問 0" in row["messages"][0]["content"] else "長い答え。"

    ray_data.says = says
    batch_file.main(["write", str(folder)])
    ray_data.run(folder)

    assert batch_file.main(["read", str(folder)]) == 75
    assert {line.get("content"): line.get("truncated") for line in lines(folder)} == {
        "短い": False, "長い答え。": True, None: None,
    }  # fmt: skip
    (failed,) = [line["error"] for line in lines(folder) if line["status"] == "error"]
    assert (failed["message"], failed["retryable"]) == ("ValueError: the engine is out of memory", True)
    assert batch_file.main(["write", str(folder)]) == 75
    assert len(requests(folder)) == 1


@pytest.mark.parametrize(("preset", "by"), [("five-axes-json", "json"), ("five-axes-regex", "regex")])
def test_ray_data_holds_a_judge_to_its_form(ray_data, tmp_path, preset, by):
    folder = judge_bundle(tmp_path / "b", preset)
    batch_file.main(["write", str(folder)])
    ray_data.run(folder)

    held_to = [row["sampling_params"]["structured_outputs"] for row in ray_data.asked_of_engine]
    assert len(held_to) == 10
    assert all(isinstance(one[by], str) for one in held_to)


def test_ray_data_leaves_to_a_server_what_only_a_server_does(ray_data, bundle):
    folder = bundle(1, turns=1, reasoning_parser="deepseek_r1")
    batch_file.main(["write", str(folder)])

    with pytest.raises(SystemExit, match="--serve"):
        ray_data.run(folder)
