"""The GPU side with real vLLM and a tiny model on the CPU: `make test-vllm`. It prints what it does, and stops at what is wrong.

Not collected by pytest: vLLM has an environment of its own, without the rest of the project.
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
from pathlib import Path

from offline.bundle import SAMPLING, SEED_RULE, Manifest, make_item, write_bundle
from offline.journal import read_lines
from offline.judging import presets
from tests.offline.tiny_model import make

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
ENGINE = {"dtype": "float32", "enforce_eager": True, "max_model_len": 8192, "max_num_seqs": 16}
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "INFO", "TOKENIZERS_PARALLELISM": "false",
}  # fmt: skip
IN_PROCESS = ["--backend", "vllm", "--engine-options", '{"distributed_executor_backend": "uni"}']
SERVE = ["--serve", "--serve-command", f"{PYTHON} -m vllm.entrypoints.cli.main serve", "--in-flight", "2"]
QUESTIONS = [
    "日本の首都はどこですか。",
    "富士山の高さは？",
    "Write a short story.",
    "二の十乗はいくつですか。",
]


def main(folder: Path, *parts: str) -> None:
    """All parts in a fresh folder; or, in one where the first has been, those that are named."""
    if not parts:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(ENVIRONMENT)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(name_the_distribution(folder))])
    os.chdir(folder)
    for part in (in_process, served, batch_files, judges):
        if not parts or part.__name__ in parts:
            part()
    check(not left_behind(), "no process of vLLM is left")
    print("\nAll is well.")


def in_process() -> None:
    make(Path("tiny"))
    say("A model of random weights", f"{sum(one.stat().st_size for one in Path('tiny').iterdir()):,} bytes")

    say("Two turns, in process")
    generation("in-process")
    run("offline.generate", "in-process", *IN_PROCESS)
    check(len(answers("in-process")) == 2 * len(QUESTIONS) * 4, "every turn has an answer")


def served() -> None:
    say("The same from a server that is started for it; the runner is killed, and run again")
    generation("served")
    killed("offline.generate", "served", *SERVE)
    run("offline.generate", "served", *SERVE)
    lines = [line for _, line in read_lines(Path("served/results-1-of-1.jsonl")) if line["status"] == "ok"]
    check(len(lines) == len(answers("served")) == 2 * len(QUESTIONS) * 4, "each turn once")
    compare("served", "in-process")
    begins = json.loads(Path("served/runs.jsonl").read_text().splitlines()[0])
    check(
        "im_start" in begins["backend"]["servers"][0]["chat_template"]["text"],
        "the server told its chat template",
    )
    check(bool(begins["backend"]["engine_as_resolved"]), "and its options")
    print(
        "  system_fingerprint:",
        lines[0]["system_fingerprint"],
        "; files:",
        *begins["backend"]["model_files"]["sha256"],
    )


def batch_files() -> None:
    say("Batch files, two rounds")
    generation("batch")
    for number in (1, 2):
        run("offline.batch_file", "write", "batch", expected=75)
        for file in sorted(Path(f"batch/batch/round-{number}").glob("*.jsonl")):
            out = Path("batch/batch/outputs") / f"round-{number}-{file.name}"
            options = [
                "--model",
                "tiny",
                "--dtype",
                "float32",
                "--enforce-eager",
                "--max-model-len",
                "8192",
                "--max-num-seqs",
                "16",
            ]
            run("vllm.entrypoints.launchers.run_batch", "-i", str(file), "-o", str(out), *options)
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


def manifest(**said: object) -> Manifest:
    return Manifest(
        **{
            "kind": "generate", "model": {"name": "tiny", "path": "tiny"}, "engine": ENGINE, "seed": {"base": 1, "rule": SEED_RULE},
            "sampling": {**SAMPLING, "max_tokens": 64}, "samples": 4, **said,
        }
    )  # fmt: skip


def generation(name: str) -> None:
    of = manifest()
    items = [
        make_item(of, prompt_id=f"p{number}", sample=sample, turns=[{"role": "user", "content": one} for one in (text, "もっと短く。")])
        for number, text in enumerate(QUESTIONS)
        for sample in range(4)
    ]  # fmt: skip
    write_bundle(Path(name), of, items)


def judging(name: str, preset_name: str) -> None:
    """Of two axes: five reasons of noise are long."""
    preset = presets.load(preset_name)
    preset = preset.with_axes(preset.axes[:2])
    sampling = {**SAMPLING, **preset.request_fields(), "temperature": 1.0, "max_tokens": 6000}
    of = manifest(kind="judge", sampling=sampling, samples=1, judge=preset.judge("tiny"))
    found = [preset.fill([text], ["東京です。正確性: [[5]]"]) for text in QUESTIONS]
    turns = [[{"role": "user", "content": filled.user}] for filled in found]
    write_bundle(
        Path(name),
        of,
        [make_item(of, prompt_id=f"p{i}", model="m", turn=1, turns=turn) for i, turn in enumerate(turns)],
    )


def run(module: str, *arguments: str, expected: int = 0) -> None:
    print(f"$ python -m {module} {shlex.join(shown(arguments))}", flush=True)
    began = time.monotonic()
    done = subprocess.run([PYTHON, "-m", module, *arguments], capture_output=True, text=True)
    ours = done.stderr.splitlines() if module.startswith("offline") else []
    for line in ours:
        if any(
            words in line
            for words in (
                "turns are answered",
                " files: ",
                "waiting for",
                "was ended",
                "have scores",
                "API errors",
            )
        ):
            print("  " + line.replace(str(Path.cwd()), "…"))
    print(f"  exit status {done.returncode}, {time.monotonic() - began:.0f} s", flush=True)
    if done.returncode != expected:
        print(done.stdout[-3000:], done.stderr[-6000:])
        for log in Path().glob("*/server-*.log"):
            print(f"--- {log}", log.read_text(errors="replace")[-3000:])
        raise SystemExit(1)


def killed(module: str, *arguments: str) -> None:
    """Started, and killed once it has answered a few."""
    print(f"$ python -m {module} {shlex.join(shown(arguments))}", flush=True)
    journal = Path(arguments[0], "results-1-of-1.jsonl")
    with subprocess.Popen([PYTHON, "-m", module, *arguments], stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 400
        while not journal.exists() or journal.read_bytes().count(b"\n") < 5:
            check(process.poll() is None and time.monotonic() < until, "", quiet=True)
            time.sleep(0.01)
        check(bool(left_behind()), "the server is at work")
        process.send_signal(signal.SIGKILL)
    count = journal.read_bytes().count(b"\n")
    until = time.monotonic() + 60
    while left_behind() and time.monotonic() < until:
        time.sleep(0.1)
    check(not left_behind(), f"killed (SIGKILL) after {count} answers of 32; no process of vLLM is left")
    check(count < 32, "there is something left to do")


def shown(arguments: tuple[str, ...]) -> list[str]:
    return [one.replace(PYTHON, "python") for one in arguments]


def left_behind() -> list[str]:
    """Processes of vLLM that work in our folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes()
            ours = process.name.isdigit() and (process / "cwd").resolve() == Path.cwd()
            if ours and b"llm" in words.lower() and b"offline." not in words:
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
    print(f"  {same} of {len(one)} texts are the same")  # the same seeds; the same bits are not promised


def say(*words: str) -> None:
    print(f"\n## {': '.join(words)}\n", flush=True)


def check(true: bool, words: str, *, quiet: bool = False) -> None:
    if not true:
        raise SystemExit(f"WRONG: {words or 'it ended, or took too long'}")
    if not quiet:
        print(f"  ✓ {words}", flush=True)


def name_of_version() -> str:
    from importlib import metadata

    return metadata.version("vllm-cpu")


def name_the_distribution(folder: Path) -> Path:
    """The package is called vllm-cpu, and vLLM's command asks for the version of vllm: so one is named, and no more.

    “+cpu” is how vLLM knows its platform.
    """
    version = name_of_version()
    shim = folder / "names" / f"vllm-{version}+cpu.dist-info"
    shim.mkdir(parents=True, exist_ok=True)
    (shim / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n")
    return shim.parent


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
