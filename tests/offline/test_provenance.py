"""What a run ran on."""

from __future__ import annotations

import json
import os

from offline import generate, provenance
from offline.bundle import sha256
from tests.offline.conftest import a_manifest


def a_model(folder):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "generation_config.json").write_text('{"temperature": 0.6}')
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ old }}"}))
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0\0\0")
    return folder


def test_files_of_a_model_are_hashed(tmp_path):
    said = provenance.of_model(a_model(tmp_path / "m"))

    assert said["sha256"]["config.json"] == sha256("{}")
    assert said["generation_config"] == {"temperature": 0.6}
    assert said["chat_template"] == {"text": "{{ old }}", "sha256": sha256("{{ old }}")}
    assert said["weights"]["model.safetensors"]["bytes"] > 12

    (tmp_path / "m" / "chat_template.jinja").write_text("{{ new }}")
    assert provenance.of_model(tmp_path / "m")["chat_template"]["text"] == "{{ new }}"


def test_a_template_among_several_is_the_default_one(tmp_path):
    several = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": several}))
    assert provenance.chat_template(tmp_path) == "d"


def test_a_model_of_the_cache_is_known_by_its_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    cache = tmp_path / "models--org--m"
    a_model(cache / "snapshots" / "abc123")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc123\n")

    assert provenance.folder_of("org/m").name == "abc123"
    assert provenance.of_model(provenance.folder_of("org/m", "abc123"))["commit"] == "abc123"
    assert provenance.folder_of("org/other") is None
    assert provenance.folder_of("org/m", "elsewhere") is None


def test_gpus_are_asked_for_where_they_are(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\necho 'NVIDIA H100, 81559 MiB, 580.1'\necho 'NVIDIA H100, 81559 MiB, 580.1'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert provenance.gpus() == ["NVIDIA H100, 81559 MiB, 580.1"] * 2

    program.write_text("#!/bin/sh\nexit 9\n")
    assert provenance.gpus() == []


def test_files_that_cannot_be_read_stop_nothing(tmp_path):
    (tmp_path / "tokenizer_config.json").write_text("{")
    assert "error" in provenance.of_model(tmp_path)


def test_a_run_notes_the_model_s_files(bundle, serve, tmp_path):
    model = a_model(tmp_path / "m")
    of = a_manifest(model={"name": "m", "path": str(model)})
    folder = bundle(1, model=of.model)
    assert generate.main([str(folder), "--base-url", serve().url]) == 0

    said = json.loads((folder / "runs.jsonl").read_text().splitlines()[0])["backend"]
    assert said["model_files"]["chat_template"]["text"] == "{{ old }}"
