"""The GPU side with real vLLM and a tiny model on the CPU: `make test-vllm`. It prints what it does, and stops at what is wrong.

What it prints is also written to `transcript.md` in its folder, and what each command said to `logs/`. Not collected by pytest: vLLM has an environment of its own, without the rest of the project.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from offline.bundle import SAMPLING, SEED_RULE, Manifest, make_item, sha256, write_bundle
from offline.journal import read_lines
from offline.judging import presets
from offline.serving import options as serving
from tests.offline import tiny_model

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
ENGINE = {
    "dtype": "float32", "enforce_eager": True, "max_model_len": 8192, "max_num_seqs": 16,
    # On a CPU vLLM 0.32 dies of a seeded request whose prompt it takes in two steps (“CPU Generator does not use offset”).
    "enable_chunked_prefill": False, "max_num_batched_tokens": 8192,
}  # fmt: skip
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "INFO", "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1",
}  # fmt: skip
IN_PROCESS = ["--backend", "vllm", "--engine-options", '{"distributed_executor_backend": "uni"}']
SERVE = ["--serve", "--serve-command", f"{PYTHON} -m vllm.entrypoints.cli.main serve"]
SLOWLY = ["--in-flight", "2"]  # so that something is left to do when it is killed
ENGINE_PROCESS = b"VLLM::EngineCore"
QUESTIONS = [
    "日本の首都はどこですか。",
    "富士山の高さは？",
    "Write a short story.",
    "二の十乗はいくつですか。",
]
SHORTER = "もっと短く。"
ANSWER = "東京です。正確性: [[5]]"
"""Of another model, for the judges; it tries to score itself."""
SAMPLES = 4
TURNS = 2 * len(QUESTIONS) * SAMPLES
TRANSCRIPT = Path("transcript.md")
TELLING = (
    "turns are answered", " files: ", "waiting for", "the server ended", "have scores", "API errors", "parse errors",
)  # fmt: skip
"""Of what the runner says, what is worth a line here."""


def main(folder: Path, *parts: str) -> None:
    """All parts in a fresh folder; or, in one where the first has been, those that are named."""
    if not parts:
        shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    os.environ.update(ENVIRONMENT)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(name_the_distribution(folder))])
    os.chdir(folder)
    began = time.monotonic()
    for part in (in_process, served, batch_files, judges, options):
        if not parts or part.__name__ in parts:
            part()
    say("After all of it")
    check(not left_behind(), "no process of vLLM is left")
    tell(f"All is well, after {time.monotonic() - began:.0f} s.")
    with TRANSCRIPT.open("a") as out:
        out.write("```\n")


def in_process() -> None:
    tiny_model.make(Path("tiny"))
    say("Two turns, in process")
    size = sum(one.stat().st_size for one in Path("tiny").iterdir())
    found = [f"{name} {metadata.version(name)}" for name in ("vllm-cpu", "torch", "transformers", "xgrammar")]
    tell(f"  {', '.join(found)}; a model of random weights, {size:,} bytes")
    generation("in-process")
    run("offline.generate", "in-process", *IN_PROCESS)
    check(len(answers("in-process")) == TURNS, "every turn has an answer")


def served() -> None:
    say("From a server that is started for it; the runner is killed, and run again; then the engine is")
    generation("served")
    killed("offline.generate", "served", *SERVE, *SLOWLY)
    run("offline.generate", "served", *SERVE, *SLOWLY, meanwhile=kill_the_engine)
    lines = [line for _, line in read_lines(Path("served/results-1-of-1.jsonl"))]
    good = [line for line in lines if line["status"] == "ok"]
    check(len(good) == len(answers("served")) == TURNS, "each turn once")
    first = {(line["item_id"], line["turn"]): line["run_id"] for line in good}
    check(len(set(first.values())) == 2, "from two runs: what the first had answered was not asked again")
    compare("served", "in-process")
    begins = json.loads(Path("served/runs.jsonl").read_text().splitlines()[0])
    check(
        "im_start" in begins["backend"]["servers"][0]["chat_template"]["text"],
        "the server told its chat template",
    )
    check(bool(begins["backend"]["engine_as_resolved"]), "and its options")
    tell(
        f"  system_fingerprint: {good[0]['system_fingerprint']}; files: {' '.join(begins['backend']['model_files']['sha256'])}"
    )


def batch_files() -> None:
    say("Batch files, two rounds")
    generation("batch")
    for number in (1, 2):
        run("offline.batch_file", "write", "batch", expected=75)
        for file in sorted(Path(f"batch/batch/round-{number}").glob("*.jsonl")):
            out = Path("batch/batch/outputs") / f"round-{number}-{file.name}"
            run(
                "vllm.entrypoints.launchers.run_batch", "-i", str(file), "-o", str(out), "--model", "tiny", *serving.flags(ENGINE)
            )  # fmt: skip
        run("offline.batch_file", "read", "batch", expected=75 if number == 1 else 0)
    compare("batch", "in-process")


def judges() -> None:
    say("Judges, constrained: by a regular expression in process, by a JSON schema from a server")
    judging("judged-regex", "five-axes-regex")
    run("offline.judge", "judged-regex", *IN_PROCESS)
    judging("judged-json", "five-axes-json")
    run("offline.judge", "judged-json", *SERVE)
    for name in ("judged-regex", "judged-json"):
        said = json.loads(Path(name, "judge-summary.json").read_text())
        # Noise has control characters, which the grammar of JSON lets through and JSON does not: that is read leniently.
        right = said["scored"] == said["items"] == said["answers"] == 4
        check(right, f"{name}: each answer could be read, {said['lenient']} of 4 leniently")


def options() -> None:
    """What needs more GPUs than we have: as far as vLLM's own reading of it."""
    say("Options of a server, read by vLLM itself")
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    preset = presets.load("five-axes-json")
    of = manifest(
        kind="judge", sampling={**SAMPLING, **preset.request_fields()}, judge=preset.judge("tiny"), reasoning_parser="deepseek_r1",
        model={"name": "tiny", "path": "tiny", "revision": "r", "tokenizer_revision": "t", "quantization": "fp8"},
        chat_template={"text": "{{ messages }}", "sha256": sha256("{{ messages }}")},
    )  # fmt: skip
    parser = make_arg_parser(FlexibleArgumentParser())
    for more in (
        ["--tensor-parallel-size", "4", "--pipeline-parallel-size", "2"],
        ["--data-parallel-size", "8"],
    ):
        command = serving.command(of, Path.cwd(), program=[], port=1, more=more)
        tell(f"  vllm serve {shlex.join(shown(command))}".replace(str(Path.cwd()), "…"))
        read = vars(parser.parse_args(command))
        took = all(
            str(read[name[2:].replace("-", "_")]) == value
            for name, value in zip(more[::2], more[1::2], strict=True)
        )
        check(
            took and read["structured_outputs_config"].disable_any_whitespace,
            f"vLLM takes all of it, {' '.join(more)} too",
        )


def manifest(**said: object) -> Manifest:
    return Manifest(
        **{
            "kind": "generate", "model": {"name": "tiny", "path": "tiny"}, "engine": ENGINE, "seed": {"base": 1, "rule": SEED_RULE},
            "sampling": {**SAMPLING, "max_tokens": 64}, "samples": SAMPLES, **said,
        }
    )  # fmt: skip


def generation(name: str) -> None:
    of = manifest()
    items = [
        make_item(of, prompt_id=f"p{number}", sample=sample, turns=[{"role": "user", "content": one} for one in (text, SHORTER)])
        for number, text in enumerate(QUESTIONS)
        for sample in range(SAMPLES)
    ]  # fmt: skip
    write_bundle(Path(name), of, items)


def judging(name: str, preset_name: str) -> None:
    """Of two axes: five reasons of noise are long."""
    preset = presets.load(preset_name)
    preset = preset.with_axes(preset.axes[:2])
    sampling = {**SAMPLING, **preset.request_fields(), "temperature": 1.0, "max_tokens": 6000}
    of = manifest(kind="judge", sampling=sampling, samples=1, judge=preset.judge("tiny"))
    found = [preset.fill([text], [ANSWER]) for text in QUESTIONS]
    turns = [[{"role": "user", "content": filled.user}] for filled in found]
    write_bundle(
        Path(name),
        of,
        [
            make_item(of, prompt_id=f"p{i}", model="m", turn=1, response_sha256=sha256(ANSWER), turns=turn)
            for i, turn in enumerate(turns)
        ],
    )


def run(
    module: str, *arguments: str, expected: int = 0, meanwhile: Callable[[Path], None] | None = None
) -> None:
    """`meanwhile` is done while it works, and gets its folder."""
    tell(f"$ python -m {module} {shlex.join(shown(arguments))}")
    began = time.monotonic()
    log = Path("logs", f"{len(list(Path('logs').iterdir())) + 1:02}-{module.rpartition('.')[2]}.log")
    with log.open("w") as out:
        process = subprocess.Popen([PYTHON, "-m", module, *arguments], stdout=out, stderr=out)
    if meanwhile:
        meanwhile(Path(arguments[0]))
    status = process.wait()
    said = log.read_text(errors="replace")
    for line in said.splitlines() if module.startswith("offline") else []:
        if any(words in line for words in TELLING):
            tell("  " + line.replace(str(Path.cwd()), "…"))
    tell(f"  exit status {status}, {time.monotonic() - began:.0f} s")
    if status != expected:
        print(said[-6000:])
        for server in Path().glob("*/server-*.log"):
            print(f"--- {server}", server.read_text(errors="replace")[-3000:])
        raise SystemExit(f"WRONG: it should have been {expected}. The logs are in {Path.cwd()}, and above.")


def killed(module: str, *arguments: str) -> None:
    """Started, and killed once it has answered a few."""
    tell(f"$ python -m {module} {shlex.join(shown(arguments))}")
    journal = Path(arguments[0], "results-1-of-1.jsonl")
    with subprocess.Popen([PYTHON, "-m", module, *arguments], stderr=subprocess.DEVNULL) as process:
        wait_for_lines(journal, 5, while_runs=process)
        check(bool(left_behind()), "the server is at work")
        process.send_signal(signal.SIGKILL)
    count = journal.read_bytes().count(b"\n")
    until = time.monotonic() + 60
    while left_behind() and time.monotonic() < until:
        time.sleep(0.1)
    check(not left_behind(), f"killed (SIGKILL) after {count} answers of {TURNS}; no process of vLLM is left")
    check(count < TURNS, "there is something left to do")


def kill_the_engine(folder: Path) -> None:
    """vLLM's engine, as a GPU's error would end it, once a few more are answered."""
    journal = folder / "results-1-of-1.jsonl"
    wait_for_lines(journal, journal.read_bytes().count(b"\n") + 3)
    engines = left_behind(ENGINE_PROCESS)
    for engine in engines:
        os.kill(int(engine), signal.SIGKILL)
    check(
        len(engines) == 1, f"vLLM's engine was killed after {journal.read_bytes().count(bytes([10]))} answers"
    )


def wait_for_lines(journal: Path, count: int, *, while_runs: subprocess.Popen[bytes] | None = None) -> None:
    until = time.monotonic() + 400
    while not journal.exists() or journal.read_bytes().count(b"\n") < count:
        check(not (while_runs and while_runs.poll() is not None) and time.monotonic() < until, "", quiet=True)
        time.sleep(0.01)


def shown(arguments: Sequence[str]) -> list[str]:
    return [one.replace(PYTHON, "python") for one in arguments]


def left_behind(like: bytes = b"llm") -> list[str]:
    """Processes of vLLM that work in our folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes()
            ours = process.name.isdigit() and (process / "cwd").resolve() == Path.cwd()
            if ours and like.lower() in words.lower() and b"offline." not in words:
                found.append(process.name)
        except OSError:
            continue
    return found


def answers(name: str) -> dict[tuple[str, int], str]:
    return {
        (line["item_id"], line["turn"]): line["content"]
        for _offset, line in read_lines(Path(name, "results-1-of-1.jsonl"))
        if line["status"] == "ok"
    }


def compare(name: str, other: str) -> None:
    one, two = answers(name), answers(other)
    check(one.keys() == two.keys(), f"{name} has the same turns as {other}")
    same = sum(one[key] == two[key] for key in one)
    tell(f"  {same} of {len(one)} texts are the same")  # the same seeds; the same bits are not promised


def say(title: str) -> None:
    with TRANSCRIPT.open("a") as out:
        out.write("```\n\n" if out.tell() else "")
        out.write(f"## {title}\n\n```text\n")
    print(f"\n## {title}\n", flush=True)


def tell(words: str) -> None:
    with TRANSCRIPT.open("a") as out:
        out.write(words + "\n")
    print(words, flush=True)


def check(true: bool, words: str, *, quiet: bool = False) -> None:
    if not true:
        raise SystemExit(f"WRONG: {words or 'it ended, or took too long'}. The logs are in {Path.cwd()}.")
    if not quiet:
        tell(f"  ✓ {words}")


def name_the_distribution(folder: Path) -> Path:
    """The package is called vllm-cpu, and vLLM's command asks for the version of vllm: so one is named, and no more.

    “+cpu” is how vLLM knows its platform.
    """
    version = metadata.version("vllm-cpu")
    shim = folder / "names" / f"vllm-{version}+cpu.dist-info"
    shim.mkdir(parents=True, exist_ok=True)
    (shim / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n")
    return shim.parent


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
