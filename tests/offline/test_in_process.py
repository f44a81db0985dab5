"""vLLM in this process, played by a module that looks like it."""

from __future__ import annotations

import json
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from offline import generate, judge
from offline.backends.in_process import VllmBackend, split_thoughts
from offline.bundle import SAMPLING, make_item
from offline.journal import read_lines
from tests.offline.conftest import a_manifest
from tests.offline.judged import judge_bundle
from tests.offline.server import answer_to


@dataclass
class StructuredOutputsParams:
    json: object = None
    regex: str | None = None
    json_object: bool | None = None


class SamplingParams:
    KNOWN = {*SAMPLING, "seed", "structured_outputs"}

    def __init__(self, **said):
        if strange := said.keys() - self.KNOWN:
            raise TypeError(f"unexpected: {strange}")
        if said["temperature"] < 0:
            raise ValueError("temperature must be non-negative")
        self.__dict__.update(said)


@dataclass
class Said:
    text: str
    finish_reason: str = "stop"
    token_ids: list = field(default_factory=lambda: [1, 2])


@dataclass
class Output:
    outputs: list
    prompt: str
    prompt_token_ids: list = field(default_factory=lambda: [1, 2, 3])


class LLM:
    calls: list[int] = []
    made: list[dict] = []
    dies = False

    def __init__(self, **options):
        if options["model"] == "missing":
            raise OSError("no such model")
        self.made.append(options)

    def get_tokenizer(self):
        return types.SimpleNamespace(chat_template="{{ messages }}")

    def chat(self, messages, parameters, *, chat_template=None, chat_template_kwargs=None, use_tqdm=True):
        assert not use_tqdm
        if self.dies:
            raise RuntimeError("CUDA out of memory")
        self.calls.append(len(messages))
        if any("長過ぎる" in one[-1]["content"] for one in messages):
            raise ValueError("The prompt is longer than the maximum model length")
        found = []
        for said, how in zip(messages, parameters, strict=True):
            text = answer_to({"messages": said, "seed": how.seed})
            if how.__dict__.get("structured_outputs"):
                text = json.dumps({"asked": how.structured_outputs.__dict__}, ensure_ascii=False)
            found.append(Output([Said(text)], json.dumps([said, chat_template_kwargs])))
        return found


@pytest.fixture
def vllm(monkeypatch):
    module, parameters = types.ModuleType("vllm"), types.ModuleType("vllm.sampling_params")
    module.LLM = type("LLM", (LLM,), {"calls": [], "made": [], "dies": False})
    module.SamplingParams, module.__version__ = SamplingParams, "0.32.0"
    parameters.StructuredOutputsParams = StructuredOutputsParams
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", parameters)
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    return module


def lines(folder: Path) -> list[dict]:
    return [line for _offset, line in read_lines(folder / "results-1-of-1.jsonl")]


def texts(folder: Path) -> dict:
    return {
        (line["item_id"], line["turn"]): line["content"] for line in lines(folder) if line["status"] == "ok"
    }


def run(folder: Path, *more: str) -> int:
    return generate.main([str(folder), "--backend", "vllm", *more])


def test_it_gives_what_a_server_gives_in_few_calls(bundle, serve, vllm):
    folder, other = bundle(40), bundle(40, name="other")

    assert run(folder, "--in-flight", "20") == 0
    assert generate.main([str(other), "--base-url", serve().url]) == 0
    assert texts(folder) == texts(other)
    assert sum(vllm.LLM.calls) == 80
    assert len(vllm.LLM.calls) < 20
    line = lines(folder)[0]
    assert line["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert len(line["prompt_sha256"]) == 64


def test_what_was_loaded_is_noted(bundle, vllm):
    folder = bundle(1, engine={"max_model_len": 512}, model={"name": "m", "path": "org/m", "revision": "r"})
    assert run(folder, "--engine-options", '{"tensor_parallel_size": 2}', "--model-path", "/scratch/m") == 0

    [options] = vllm.LLM.made
    assert options["model"] == "/scratch/m"
    assert (options["revision"], options["max_model_len"], options["tensor_parallel_size"]) == ("r", 512, 2)
    said = json.loads((folder / "runs.jsonl").read_text().splitlines()[0])["backend"]
    assert said["chat_template"]["text"] == "{{ messages }}"
    assert said["vllm"] == "0.32.0"


def test_one_bad_prompt_fails_alone(bundle, vllm):
    of = a_manifest()
    items = [
        make_item(of, prompt_id=f"p{i}", turns=[{"role": "user", "content": "長過ぎる" if i in (3, 11) else f"質問{i}"}])
        for i in range(16)
    ]  # fmt: skip
    folder = bundle(items=items)

    assert run(folder) == 1
    bad = [line for line in lines(folder) if line["status"] == "error"]
    assert {line["prompt_id"] for line in bad} == {"p3", "p11"}
    assert all(line["error"]["type"] == "bad_request" and not line["error"]["retryable"] for line in bad)
    assert len(texts(folder)) == 14


def test_parameters_that_are_wrong_fail_alone(bundle, vllm):
    of = a_manifest()
    params = {0: {"temperature": -1}, 1: {"reasoning_effort": "high"}}
    items = [
        make_item(of, prompt_id=f"p{i}", turns=[{"role": "user", "content": "q"}], params=params.get(i, {}))
        for i in range(4)
    ]
    folder = bundle(items=items)

    assert run(folder) == 1
    said = {
        line["prompt_id"]: line["error"]["message"] for line in lines(folder) if line["status"] == "error"
    }
    assert said.keys() == {"p0", "p1"}
    assert "does not take reasoning_effort" in said["p1"]


def test_an_engine_that_dies_ends_the_run_and_can_be_gone_on_with(bundle, vllm):
    folder = bundle(8)
    vllm.LLM.dies = True
    assert run(folder) == 1
    vllm.LLM.dies = False
    assert run(folder) == 0
    assert len(texts(folder)) == 16


@pytest.mark.parametrize(("name", "field"), [("five-axes-json", "json"), ("five-axes-regex", "regex")])
def test_a_judge_s_form_is_passed_on(tmp_path, vllm, name, field):
    folder = judge_bundle(tmp_path / "b", name, ["応答"], attempts=1)

    assert judge.main([str(folder), "--backend", "vllm"]) == 0
    asked = json.loads(lines(folder)[0]["content"])["asked"]
    assert asked[field]
    assert vllm.LLM.made[0]["structured_outputs_config"]["disable_any_whitespace"] is True


def test_without_vllm_it_says_what_to_install(bundle, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "vllm", None)
    assert run(bundle(1)) == 1
    assert "hyotei[offline,vllm]" in capsys.readouterr().err


def test_a_model_that_does_not_load_is_said(bundle, vllm, capsys):
    assert run(bundle(1, model={"name": "missing"})) == 1
    assert "no such model" in capsys.readouterr().err
    assert run(bundle(1, name="lora", model={"name": "m", "lora": "a"})) == 1
    assert "needs a server" in capsys.readouterr().err


def test_thoughts_are_told_from_the_answer(bundle, vllm):
    assert split_thoughts("<think>\nなぜ\n</think>\n\n答え") == ("答え", "なぜ")
    assert split_thoughts("なぜ</think>答え") == ("答え", "なぜ")
    assert split_thoughts("<think>なぜ") == ("", "なぜ")
    assert split_thoughts("答え") == ("答え", None)
    backend = VllmBackend(a_manifest(reasoning_parser="qwen3"))
    backend._vllm = vllm
    said = backend._answer(Output([Said("考え</think>答え")], "p"))
    assert (said.content, said.reasoning) == ("答え", "考え")
