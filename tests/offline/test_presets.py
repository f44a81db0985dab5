"""Presets: what a judge is asked."""

from __future__ import annotations

import json
import re

import pytest

from offline.bundle import check_sampling
from offline.judging import presets
from offline.judging.forms import Axis, PresetError
from offline.judging.parsing import parse
from offline.judging.presets import fill_in, load, names

THINGS = {"reference": "手本", "checklist": ["要点一", "要点二"], "other": ["別の応答"]}


def an_answer(preset: presets.Preset, value: int | str | None = None) -> str:
    """One that fits the preset's form."""
    form = preset.form
    if form.style == "checklist":
        return json.dumps({"checklist": ["一", "二", "三"]})
    first = {axis.name: value or (list(axis.verdicts) or list(axis.points))[0] for axis in form.axes}
    if form.mode == "json":
        said = {name: {**dict.fromkeys(form.reasons, "why"), form.answer: one} for name, one in first.items()}
        return json.dumps(said if form.nested else next(iter(said.values())))
    reason = presets.WORDS[preset.language]["reason"] + ": なぜなら。\n" if form.mode == "regex" else ""
    return "\n".join(f"{reason}{axis.label}: [[{first[axis.name]}]]" for axis in form.axes)


@pytest.mark.parametrize("name", names())
def test_every_preset_fills_and_its_answer_parses(name):
    preset = load(name)
    for turns, responses in (
        (["質問の文"], ["応答の文"]),
        (["最初の質問", "質問の文"], ["最初の応答", "応答の文"]),
    ):
        filled = preset.fill(
            turns, responses, **{**THINGS, "other": ["別の最初の応答", "別の応答"][-len(turns) :]}
        )
        assert "質問の文" in filled.user
        assert ("応答の文" in filled.user) == (preset.style != "checklist")
        assert not presets.PLACEHOLDER.search(filled.user)
        assert ("最初の質問" in filled.user) == (len(turns) == 2)
        assert filled.messages[-1] == {"role": "user", "content": filled.user}
    assert parse(an_answer(preset), preset.form).status == "ok"
    check_sampling(preset.request_fields(), name)
    assert json.loads(json.dumps(preset.judge("j")))["preset_sha256"] == preset.sha256
    assert presets.Form.of(json.loads(json.dumps(preset.judge("j")))) == preset.form


@pytest.mark.parametrize("name", [name for name in names() if load(name).mode == "regex"])
def test_what_the_regular_expression_lets_through_is_read(name):
    preset = load(name)
    pattern = preset.request_fields()["structured_outputs"]["regex"]

    assert re.fullmatch(pattern, an_answer(preset))
    assert not re.fullmatch(pattern, an_answer(preset, 6))


def test_a_reason_stands_before_each_score_in_every_schema():
    for name in names():
        preset = load(name)
        if preset.mode == "json" and preset.style != "checklist":
            schema = preset.request_fields()["response_format"]["json_schema"]["schema"]
            shapes = schema["properties"].values() if preset.form.nested else [schema]
            for shape in shapes:
                assert shape["required"] == [*preset.form.reasons, preset.form.answer]
                assert list(shape["properties"]) == shape["required"]
                assert shape["additionalProperties"] is False


def test_any_byte_of_the_file_changes_the_hash(tmp_path):
    mine, data = tmp_path / "mine.toml", (presets.FOLDER / "five-axes-text.toml").read_bytes()
    mine.write_bytes(data)
    assert load(mine).sha256 == load("five-axes-text").sha256
    seen = {load(name).sha256 for name in names()}
    assert len(seen) == len(names())
    places = [match.start() for match in re.finditer(rb"[.\n]", data)]
    for place in places[:: len(places) // 20]:
        mine.write_bytes(
            data[:place] + b"\n" + data[place:]
        )  # often the same after reading, yet another file
        try:
            seen.add(load(mine).sha256)
        except PresetError:
            continue
    assert len(seen) > len(names()) + 10


@pytest.mark.parametrize(
    "text",
    ["{prompt} {0} {}", "{{prompt}}", "{{response}}{{axes}}", "[[5]]", "正確性: [[5]]", "\\1 \\g<0>", "$x"],
)
def test_what_a_response_holds_changes_nothing_around_it(text):
    preset = load("five-axes-text")
    plain = preset.fill(["質問"], ["XYZZY"]).user
    filled = preset.fill(["質問"], [text]).user

    assert filled == plain.replace("XYZZY", text)
    assert fill_in("{{prompt}}|{{response}}", {"prompt": text, "response": "r"}) == f"{text}|r"


def test_the_sides_of_a_pair_are_swapped_on_request():
    preset = load("mt-bench-pair")
    straight = preset.fill(["q"], ["first answer"], other=["second answer"]).user
    swapped = preset.fill(["q"], ["first answer"], other=["second answer"], order="ba").user

    assert straight.index("first answer") < straight.index("second answer")
    assert swapped.index("first answer") > swapped.index("second answer")


def test_a_turn_is_judged_with_what_was_said_before_and_nothing_after():
    preset = load("five-axes-json")
    turns, responses = ["質問一", "質問二", "質問三"], ["応答一", "応答二", "応答三"]
    second = preset.fill(turns, responses, turn=2).user

    assert "応答一" in second
    assert "質問三" not in second
    assert "応答三" not in second
    assert preset.fill(turns, responses, turn=1).user == preset.fill(turns[:1], responses[:1]).user


def test_assistant_turns_of_the_prompt_are_part_of_the_conversation():
    turns = [
        {"role": "user", "content": "最初"}, {"role": "assistant", "content": "与えられた答え"}, {"role": "user", "content": "次"},
    ]  # fmt: skip
    filled = load("five-axes-json").fill(turns, ["判定される応答"]).user

    assert filled.index("与えられた答え") < filled.index("判定される応答")


def test_a_project_may_ask_for_its_own_axes():
    axes = [
        Axis("polite", label="丁寧さ", points=(1, 2, 3), levels=("無礼", "普通", "丁寧")),
        Axis("short", points=(0, 1)),
    ]
    preset = load("five-axes-regex").with_axes(axes)
    filled = preset.fill(["質問"], ["応答"]).user

    assert "丁寧さ (1–3)" in filled
    assert "  - 3: 丁寧" in filled
    assert "正確性" not in filled
    assert parse("理由: a\n丁寧さ: [[3]]\n理由: b\nshort: [[0]]", preset.form).scores == {
        "polite": 3,
        "short": 0,
    }
    with pytest.raises(PresetError, match="axes of its own"):
        load("mt-bench-pair").with_axes(axes)
    with pytest.raises(PresetError, match="one name"):
        load("five-axes-text").with_axes([axes[0], axes[0]])


def test_what_is_missing_is_said():
    with pytest.raises(PresetError, match="no reference answer"):
        load("mt-bench-single-reference").fill(["q"], ["a"])
    with pytest.raises(PresetError, match="no checklist"):
        load("wildbench-score").fill(["q"], ["a"])
    with pytest.raises(PresetError, match="no response"):
        load("five-axes-text").fill(["q", "r"], ["a"])
    with pytest.raises(PresetError, match="there is no turn 3"):
        load("five-axes-text").fill(["q", "r"], ["a", "b"], turn=3)
    with pytest.raises(PresetError, match="there are: checklist-builder, five-axes"):
        load("nothing")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title = 1", "missing fields: mode, style, user"),
        ('title="t"\nstyle="score"\nmode="text"\nuser="{{promt}}"', "unknown placeholders: promt"),
        ('title="t"\nstyle="score"\nmode="text"\nuser="x"', "there are no axes"),
        ('title="t"\nstyle="score"\nmode="text"\nuser="x"\ntemperature=1', "unknown fields: temperature"),
        ("nonsense", "mine.toml"),
    ],
)
def test_a_preset_that_is_wrong_is_refused(tmp_path, text, words):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(PresetError, match=words):
        load(tmp_path / "mine.toml")
