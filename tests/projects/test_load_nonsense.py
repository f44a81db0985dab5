"""Files in which any value may be anything: what cannot be taken is named, and nothing falls over."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from offline.bundle import hash_of_file
from projects.loading import Options, load, try_load
from projects.models import Response
from tests.projects import test_dry_run
from tests.projects.test_dry_run import (
    JUDGMENTS,
    LAYOUTS,
    arena_hard_judgments,
    batch_file_without_requests,
    bundle,
    fast_chat_pair,
    fast_chat_single,
    project,
    table_with_a_map,
)

__all__ = ["project"]

pytestmark = pytest.mark.django_db

GONE = object()
NONSENSE = [
    None, -1, 0, 10**30, 10**10, "", "\x00", "\ud800", [], {}, True, 1.5, float("nan"), "x" * 400, ["a"], {"a": 1}, [None], "1",
    {"\x00": "\x00"}, GONE,
]  # fmt: skip


def rows_of(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]


def put(path: Path, rows: Any) -> None:
    whole = json.dumps(rows) if path.suffix == ".json" else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(whole, encoding="utf-8")
    if path.name == "items.jsonl":  # which the manifest knows
        manifest = json.loads(path.with_name("manifest.json").read_text(encoding="utf-8"))
        put(path.with_name("manifest.json"), manifest | {"items_sha256": hash_of_file(path)})


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return ([path] if path else []) + [
        place for name, part in inside for place in places(part, (*path, name))
    ]


def replace(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for name in path[:-1]:
        value = value[name]
    if new is GONE:
        del value[path[-1]]
    else:
        value[path[-1]] = deepcopy(new)


@pytest.mark.parametrize(
    "layout",
    [one for one in (*LAYOUTS, *JUDGMENTS) if one is not table_with_a_map],
    ids=lambda one: one.__name__,
)
def test_a_value_that_is_something_else_makes_no_layout_fall_over(project, tmp_path, layout):
    rng = random.Random(layout.__name__)
    named = layout(tmp_path)
    files = [path for one in named for path in (sorted(one.iterdir()) if one.is_dir() else [one])]
    before = {path: path.read_text(encoding="utf-8") for path in files}
    for _ in range(6):
        path = rng.choice(files)
        rows = rows_of(path)
        replace(rows, rng.choice(places(rows)), rng.choice(NONSENSE))
        put(path, rows)
        try_load(
            project=project,
            files=named,
            options=Options(judge="j", model=rng.choice(["", "m"]), partial=True),
        )
        for path, text in before.items():
            path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("layout", "place", "value", "said"),
    [
        (batch_file_without_requests, (0, "response", "body", "choices", 0, "index"), 10**10, "choices[0].index: Here should be a whole number"),
        (fast_chat_single, (0, "judge", 0), "x" * 400, "judge: This is longer than 200 characters."),
        (fast_chat_pair, (0, "g1_winner"), ["model_1"], "g1_winner: “['model_1']” is none of"),
        (arena_hard_judgments, (0, "games", 0, "score"), {"a": 1}, "games[0].score: “{'a': 1}” is no verdict"),
        (bundle, (0, "prompt_id"), ["a"], "items.jsonl, line 1: This is no item: "),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_named(project, tmp_path, layout, place, value, said):
    [path] = layout(tmp_path)
    path = path / "items.jsonl" if path.is_dir() else path
    rows = rows_of(path)
    replace(rows, place, value)
    put(path, rows)
    report = try_load(project=project, files=[path.parent if layout is bundle else path])
    assert said in " ".join(map(str, report.errors))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: one.__name__)
def test_what_no_database_holds_is_replaced_and_counted_in_every_layout(
    project, tmp_path, layout, monkeypatch
):
    """U+0000, and half a character: both come out of models, and tables of text cannot even hold the second."""
    monkeypatch.setattr(test_dry_run, "ANSWERS", {"new": "新しい"})
    named = layout(tmp_path)
    files = [path for one in named for path in (one.iterdir() if one.is_dir() else [one])]
    in_json = layout is not table_with_a_map
    for path in files:
        text = path.read_text(encoding="utf-8")
        if layout is bundle and path.name.startswith("results"):
            text = "".join(line for line in text.splitlines(True) if "0" * 32 not in line)
        broken = "\\u0000新\\ud83dい" if in_json else "\0新\0い"
        path.write_text(text.replace("新しい", broken), encoding="utf-8")
    mapped = {"prompt_id": "番号", "model": "モデル", "response": "出力"}
    options = Options(columns={} if in_json else mapped)

    report = load(project=project, files=named, options=options)
    [told] = [one for one in report.warnings if "U+FFFD" in str(one)]
    assert told.times == 2
    assert Response.objects.get(prompt__key="new").turns == ["\ufffd新\ufffdい"]
    assert load(project=project, files=named, options=options).adds_nothing


@pytest.mark.parametrize(("option", "most"), [("model", 300), ("judge", 200), ("axis", 200)])
def test_names_that_are_too_long_are_said_to_be(project, tmp_path, option, most):
    report = try_load(project=project, files=bundle(tmp_path), options=Options(**{option: "x" * 301}))
    assert [str(one) for one in report.errors] == [f"--{option}: This is longer than {most} characters."]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"samples": 10**12}, "samples: This is not what a bundle has here."),
        ({"samples": 0}, "samples: This is not what a bundle has here."),
        ({"variants": [1]}, "samples: This is not what a bundle has here."),
        ({"kind": "judge", "judge": {"name": "x" * 201}}, "judge.name: This is longer than 200 characters."),
    ],
)
def test_a_manifest_of_nonsense_is_refused(project, tmp_path, changes, said):
    [folder] = bundle(tmp_path)
    put(folder / "manifest.json", rows_of(folder / "manifest.json") | changes)
    assert said in str(try_load(project=project, files=[folder]).errors[0])
