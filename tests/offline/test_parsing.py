"""Scores are read strictly, leniently with a flag, or not at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.judging import presets
from offline.judging.parsing import Parsed, parse, swapped
from tests.offline.judged import GOOD

TEXT, JSON = presets.load("five-axes-text").form, presets.load("five-axes-json").form
RATING, PAIR = presets.load("mt-bench-single").form, presets.load("mt-bench-pair").form
WILD, REWARD = presets.load("wildbench-score").form, presets.load("wildbench-reward").form
LIST = presets.load("checklist-builder").form
FORMS = [TEXT, JSON, RATING, PAIR, WILD, REWARD, LIST]
SCORES = {"accuracy": 4, "fluency": 5, "detail": 3, "relevance": 4, "overall": 4}


def test_five_lines_give_five_scores():
    assert parse(GOOD, TEXT) == Parsed("ok", scores=SCORES)
    assert parse(f"理由を述べます。\n\n{GOOD}\n以上です。", TEXT).status == "ok"
    assert parse(GOOD.replace(": ", ":"), TEXT).status == "ok"  # as llm-jp-judge's expression has it


@pytest.mark.parametrize(
    "said",
    [
        GOOD.replace(": ", "："),
        GOOD.replace(": ", " : "),
        GOOD.replace("[[", "［［").replace("]]", "］］"),
        GOOD.replace("[[4]]", "[[４]]"),
        GOOD.replace("正確性", "**正確性**"),
        GOOD.replace("正確性: [[4]]", "**正確性: [[4]]**").replace("流暢性:", "**流暢性:**"),
        GOOD.replace(": ", ":\n\n"),
        f"<think>正確性: [[1]]かな</think>\n{GOOD}",
    ],
)
def test_other_ways_of_typing_are_taken_and_flagged(said):
    parsed = parse(said, TEXT)

    assert (parsed.status, parsed.scores) == ("lenient", SCORES)
    assert parsed.reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (GOOD.replace("総合評価: [[4]]", ""), "overall: missing"),
        (GOOD.replace("流暢性: [[5]]", "流暢性: [[6]]"), "fluency: not on the scale"),
        (GOOD.replace("流暢性: [[5]]", "流暢性: [[0]]"), "fluency: not on the scale"),
        (GOOD.replace("流暢性: [[5]]", "流暢性: [[4.5]]"), "fluency: not on the scale"),
        (GOOD.replace("流暢性: [[5]]", "流暢性: [[-5]]"), "fluency: not on the scale"),
        (GOOD.replace("流暢性: [[5]]", "流暢性: [5]"), "fluency: missing"),
        (GOOD.replace("流暢性: [[5]]", "流暢性: [[評点]]"), "fluency: missing"),
        (GOOD.replace("流暢性: [[5]]", "[[5]]"), "fluency: missing"),
        (GOOD + "\n正確性: [[4]]", "accuracy: more than once"),
        (GOOD + "\n正確性: [[9]]", "accuracy: more than once"),
        (
            "[[5]]",
            "accuracy: missing; fluency: missing; detail: missing; relevance: missing; overall: missing",
        ),
        ("", "empty"),
        (" \n", "empty"),
        (f"<think>{GOOD}", "nothing but thoughts"),
        (f"<think>{GOOD}</think>", "empty"),
    ],
)
def test_what_cannot_be_read_strictly_or_leniently_has_no_score(said, reason):
    parsed = parse(said, TEXT)

    assert (parsed.status, parsed.scores, parsed.reason) == ("unparsed", {}, reason)
    assert parsed.at_fault


def test_the_form_repeated_is_no_score():
    assert parse("正確性: [[評点]]のように書きます。\n" + GOOD, TEXT).scores == SCORES


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_that_was_cut_off_is_not_read(form):
    whole = {id(TEXT): GOOD}.get(id(form), "[[5]]")
    assert parse(whole, form, finish_reason="length").reason == "cut off at the longest length"
    assert parse(whole, form, finish_reason="content_filter").status == "unparsed"
    assert parse(GOOD, TEXT, finish_reason=None).status == "ok"  # some servers do not say


def five(**changed: object) -> dict:
    said = {name: {"reason": f"{name}だから [[1]]", "score": score} for name, score in SCORES.items()}
    return {**said, **changed}


def test_json_gives_scores_and_reasons():
    parsed = parse(json.dumps(five()), JSON)

    assert (parsed.status, parsed.scores) == ("ok", SCORES)
    assert parsed.reasons["detail"] == "detailだから [[1]]"


@pytest.mark.parametrize(
    "said",
    [
        f"```json\n{json.dumps(five())}\n```",
        f"```\n{json.dumps(five())}\n```\n",
        json.dumps(five(detail={"reason": "", "score": "3"})),
        json.dumps(five(detail={"reason": "", "score": "３"})),
        json.dumps(five(detail={"reason": "", "score": 3.0})),
        f"</think>\n{json.dumps(five())}",
        json.dumps(five(detail={"reason": "BETWEEN", "score": 3})).replace(
            "BETWEEN", "one\ttwo\nthree\x7f\x0b"
        ),
    ],
)
def test_json_typed_in_another_way_is_flagged(said):
    parsed = parse(said, JSON)

    assert (parsed.status, parsed.scores) == ("lenient", SCORES)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (json.dumps(five())[:-1], "not JSON"),
        ("点数は [[5]] です。", "not JSON"),
        (f"はい。{json.dumps(five())}", "not JSON"),
        ("[]", "not an object"),
        ("5", "not an object"),
        ("NaN", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("9" * 10_000, "not JSON"),
        (json.dumps({**five(), "extra": {}}), "unknown fields: extra"),
        (json.dumps(five(detail={"reason": "", "score": 6})), "detail: not on the scale"),
        (json.dumps(five(detail={"reason": "", "score": 2.5})), "detail: not on the scale"),
        (json.dumps(five(detail={"reason": "", "score": True})), "detail: not on the scale"),
        (json.dumps(five(detail={"reason": "", "score": None})), "detail: not on the scale"),
        (json.dumps(five(detail={"score": 3})), "detail: not in the form asked for"),
        (
            json.dumps(five(detail={"reason": "", "score": 3, "score2": 4})),
            "detail: not in the form asked for",
        ),
        (json.dumps(five(detail=3)), "detail: missing"),
        ('{"detail": {"reason": "", "score": 1, "score": 5}}', "a field more than once"),
    ],
)
def test_json_that_is_not_as_asked_for_has_no_score(said, reason):
    parsed = parse(said, JSON)

    assert (parsed.status, parsed.scores, parsed.reason) == ("unparsed", {}, reason)


@pytest.mark.parametrize(
    ("said", "form", "status", "value"),
    [
        ("It is good.\nRating: [[7]]", RATING, "ok", 7),
        ("Rating: [[10]]", RATING, "ok", 10),
        ("Rating: [[11]]", RATING, "unparsed", None),
        ("Overrating: [[3]]", RATING, "unparsed", None),
        ("A is better. Verdict: [[A]]", PAIR, "ok", 1),
        ("[[B]]", PAIR, "ok", -1),
        ("Verdict: [[C]]", PAIR, "ok", 0),
        ("Verdict: ［［Ａ］］", PAIR, "lenient", 1),
        ("[[A]] or [[B]]", PAIR, "unparsed", None),
        ("[[A]] [[A]]", PAIR, "unparsed", None),
        ("[[D]]", PAIR, "unparsed", None),
        (json.dumps({"strengths": "s", "weaknesses": "w", "score": 8}), WILD, "ok", 8),
        (json.dumps({"strengths": "s", "weaknesses": "w", "score": "8"}), WILD, "lenient", 8),
        (json.dumps({"strengths": "s", "score": 8}), WILD, "unparsed", None),
    ],
)  # fmt: skip
def test_other_presets_read_their_own_form(said, form, status, value):
    parsed = parse(said, form)

    assert (parsed.status, next(iter(parsed.scores.values()), None)) == (status, value)


@pytest.mark.parametrize(
    ("choice", "value"), [("A++", 1), ("A+", 0.5), ("A=B", 0), ("B+", -0.5), ("B++", -1)]
)
def test_how_much_better_is_a_number_for_side_a(choice, value):
    said = json.dumps({"analysis_of_a": "a", "analysis_of_b": "b", "comparison": "c", "choice": choice})
    parsed = parse(said, REWARD)

    assert (parsed.scores, parsed.verdict) == ({"preference": value}, choice)
    assert swapped(value, "ba") == -value
    assert swapped(value, "ab") == value


def test_a_checklist_is_read():
    assert parse('{"checklist": [" 一 ", "二"]}', LIST).checklist == ["一", "二"]
    for wrong in ('{"checklist": []}', '{"checklist": [""]}', '{"checklist": "一"}', '{"list": ["一"]}'):
        assert parse(wrong, LIST).status == "unparsed"


@given(
    st.text(alphabet=st.sampled_from('正確性流暢詳細関連総合評価:： [[]]［］{}12345Verdict"\\<think>/,\n*')),
    st.sampled_from(FORMS),
)
def test_nothing_that_a_judge_says_raises_or_leaves_the_scale(said, form):
    parsed = parse(said, form)

    if parsed.status == "unparsed":
        assert not parsed.scores
    else:
        assert parsed.scores.keys() == {axis.name for axis in form.axes}
        for axis in form.axes:
            assert parsed.scores[axis.name] in (axis.points or tuple(axis.verdicts.values()))
