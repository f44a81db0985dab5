"""What a GPU node installs: `hyotei[offline]` as a wheel, in an environment that has nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from offline.judging import presets
from tests.offline.judged import judge_bundle

pytestmark = pytest.mark.xdist_group("wheel")  # built once
ROOT = Path(__file__).resolve().parents[2]
UV = [sys.executable, "-m", "uv"]
FILES = sorted(
    str(path.relative_to(ROOT)) for path in (ROOT / "offline").rglob("*") if path.suffix in (".py", ".toml")
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for room in ("offline", "stats"):  # building leaves its traces in the source
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    uv("build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", source / "dist", source)
    (found,) = (source / "dist").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def node(wheel, tmp_path_factory) -> Path:
    """An environment with the wheel and what it needs: its Python."""
    folder = tmp_path_factory.mktemp("node")
    uv("venv", "--quiet", "--python", sys.executable, folder / "env")
    python = folder / "env" / "bin" / "python"
    # The versions of the lock are in uv's cache, from the set-up of this project.
    versions = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line]
    (folder / "versions.txt").write_text("\n".join(line.rstrip("\\ ") for line in versions))
    uv(
        "pip", "install", "--quiet", "--python", python, "--constraint", folder / "versions.txt", f"hyotei[offline] @ {wheel.as_uri()}"
    )  # fmt: skip
    return python


def uv(*arguments: object) -> None:
    """From its cache if that will do, else with the registry."""
    words = [*UV, *map(str, arguments)]
    if subprocess.run([*words, "--offline"], capture_output=True).returncode == 0:
        return
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def call(python: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Far from the clone, which must not be what is imported."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OPENAI"))}
    return subprocess.run(
        [python, *map(str, arguments)], cwd=python.parent, env=clean, capture_output=True, text=True
    )


def test_the_wheel_holds_offline_with_its_presets_and_nothing_else(wheel):
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]

    assert sorted(names) == FILES


@pytest.mark.parametrize("what", ["generate", "judge", "batch_file"])
def test_a_command_says_what_it_takes_without_importing_what_is_heavy(node, what):
    said = call(node, "-X", "importtime", "-m", f"offline.{what}", "--help")

    assert said.returncode == 0
    assert "BUNDLE" in said.stdout
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in said.stderr.splitlines()}
    assert "offline" in imported
    assert not imported & {"aiohttp", "vllm", "torch", "transformers", "django", "numpy"}


@pytest.mark.parametrize("what", ["generate", "judge"])
def test_a_command_has_a_name_of_its_own(node, what):
    done = subprocess.run([node.with_name(f"hyotei-{what}"), "nowhere"], capture_output=True, text=True)

    assert done.returncode == 1
    assert "nowhere: there is no manifest.json" in done.stderr


def test_a_node_answers_and_judges_with_the_wheel_alone(node, bundle, serve, tmp_path):
    running = serve()
    asked, judged = bundle(5), judge_bundle(tmp_path / "judged", "five-axes-json")

    answering = call(node, "-m", "offline.generate", asked, "--base-url", running.url)
    assert (answering.returncode, "10 of 10 turns" in answering.stderr) == (0, True), answering.stderr
    judging = call(node, "-m", "offline.judge", judged, "--base-url", running.url)
    assert (judging.returncode, "10 of 10 items" in judging.stderr) == (0, True), judging.stderr

    begins = json.loads((asked / "runs.jsonl").read_text().splitlines()[0])
    assert set(begins["versions"]) == {"hyotei", "aiohttp"}  # of those that matter, nothing else is there


def test_every_preset_is_at_hand_in_the_wheel(node):
    said = call(node, "-c", "from offline.judging import presets; print(*presets.names())")

    assert said.stdout.split() == list(presets.names())
