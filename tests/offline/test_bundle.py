"""Bundles: what the platform writes and a GPU node reads."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from offline.bundle import (
    ITEMS,
    MANIFEST,
    SAMPLING,
    SEED_RULE,
    BundleError,
    Manifest,
    make_item,
    read_items,
    seed_of,
    write_bundle,
)


def manifest(**said) -> Manifest:
    return Manifest(
        **{
            "kind": "generate",
            "model": {"name": "tiny", "path": "org/tiny"},
            "sampling": dict(SAMPLING),
            "seed": {"base": 1, "rule": SEED_RULE},
            **said,
        }
    )


def asked(*texts: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text} for text in texts]


def items(of: Manifest, n: int = 5):
    return [make_item(of, prompt_id=f"p{i}", turns=asked(f"質問 {i}", "続き")) for i in range(n)]


def test_what_is_written_is_read_again(tmp_path):
    whole = write_bundle(tmp_path / "b", manifest(), items(manifest()))

    assert Manifest.read(tmp_path / "b") == whole
    assert (whole.n_items, whole.n_turns) == (5, 10)
    assert list(read_items(tmp_path / "b")) == items(manifest())


def test_shards_hold_each_item_once(tmp_path):
    write_bundle(tmp_path / "b", manifest(), items(manifest(), 200))
    shards = [[item.item_id for item in read_items(tmp_path / "b", shard=(k, 7))] for k in range(1, 8)]

    assert sorted(key for shard in shards for key in shard) == sorted(
        item.item_id for item in items(manifest(), 200)
    )
    assert min(map(len, shards)) > 10


def test_a_key_changes_with_everything_that_decides_the_answer():
    base = manifest()
    keys = {
        make_item(of, **{"prompt_id": "p", "turns": asked("a"), **said}).item_id
        for of, said in [
            (base, {}),
            (base, {"sample": 1}),
            (base, {"turns": asked("b")}),
            (base, {"system": "s"}),
            (base, {"params": {"temperature": 0.0}}),
            (base, {"variant": "cot"}),
            (replace(base, sampling=SAMPLING | {"temperature": 0.5}), {}),
            (replace(base, model={"name": "tiny", "path": "org/tiny", "revision": "2"}), {}),
            (base, {"response_sha256": "x"}),
        ]
    }
    assert len(keys) == 9


def test_a_key_does_not_change_with_who_made_the_bundle_and_when():
    one, other = manifest(), manifest(project="elsewhere", created_at="2026-01-01", job_id="x")
    assert items(one) == items(other)
    assert one.digest() == other.digest()


def test_a_key_does_not_change_when_more_is_asked_for():
    assert items(manifest()) == items(manifest(samples=4, variants=["cot"]))


def test_seeds_are_the_same_for_all_models_and_differ_in_everything_else():
    one, other = manifest(), manifest(model={"name": "other"})
    first, again = items(one, 1)[0], items(other, 1)[0]
    assert seed_of(1, first, turn=1) == seed_of(1, again, turn=1)
    seeds = {
        seed_of(base, item, turn=turn, attempt=attempt)
        for base in (1, 2)
        for item in (first, replace(first, sample=1), replace(first, repeat=1))
        for turn in (1, 2)
        for attempt in (0, 1)
    }
    assert len(seeds) == 24
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_given_answer_is_not_asked_for_again():
    [item] = [
        make_item(
            manifest(),
            prompt_id="p",
            turns=[*asked("a"), {"role": "assistant", "content": "given"}, *asked("b")],
        )
    ]
    assert item.answered == [2]


def test_a_bundle_is_written_whole_or_not_at_all(tmp_path):
    of = manifest()
    with pytest.raises(BundleError, match="the same item twice"):
        write_bundle(tmp_path / "b", of, [*items(of), items(of)[0]])
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path):
    write_bundle(tmp_path / "b", manifest(), items(manifest()))
    with pytest.raises(BundleError, match="not empty"):
        write_bundle(tmp_path / "b", manifest(), items(manifest()))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"sampling": SAMPLING | {"temprature": 1}}, "temprature: there is no such sampling field"),
        ({"sampling": {"temperature": 1}}, "not written out: frequency_penalty"),
        ({"kind": "guess"}, "neither “generate” nor “judge”"),
        ({"kind": "judge"}, "says which judge"),
        ({"model": {}}, "no name"),
        ({"seed": {"base": "1"}}, "whole number"),
    ],
)
def test_a_manifest_that_is_wrong_says_where(tmp_path, said, message):
    with pytest.raises(BundleError, match=message):
        write_bundle(tmp_path / "b", manifest(**said), [])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2"),
        ('{"item_id": "x"}', "line 2: .*prompt_id"),
        (
            json.dumps({"item_id": "0" * 32, "prompt_id": "p", "prompt_sha256": "", "turns": []}),
            "line 2: turns: a conversation begins",
        ),
        (
            json.dumps(
                {"item_id": "0" * 32, "prompt_id": "p", "prompt_sha256": "", "turns": asked("a"), "x": 1}
            ),
            "line 2: unknown fields: x",
        ),
    ],
)
def test_an_item_that_is_wrong_is_named_by_its_line(tmp_path, line, message):
    write_bundle(tmp_path / "b", manifest(), items(manifest(), 1))
    with (tmp_path / "b" / ITEMS).open("a") as out:
        out.write(line + "\n")
    with pytest.raises(BundleError, match=message):
        list(read_items(tmp_path / "b"))


def test_a_manifest_of_another_format_is_refused(tmp_path):
    write_bundle(tmp_path / "b", manifest(), items(manifest(), 1))
    said = json.loads((tmp_path / "b" / MANIFEST).read_text())
    (tmp_path / "b" / MANIFEST).write_text(json.dumps(said | {"format": 99}))
    with pytest.raises(BundleError, match="99, and this version reads 1"):
        Manifest.read(tmp_path / "b")


def test_reading_bundles_needs_neither_django_nor_a_model_server():
    code = (
        "import offline.bundle, sys; print(sorted({'django', 'vllm', 'torch', 'numpy'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
