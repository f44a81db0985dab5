"""Reading scores out of what a judge said.

Strict first: every axis, each once, each a point of its scale, in an answer that was not cut off. What differs only in how it
is typed (full-width brackets and colons, bold labels, a fence around JSON) is taken, and flagged as lenient. Anything else is
unparsed and has no score: not 0, and not the middle.

Only the content of the judge's message is read. The prompt is not, so a response that holds [[5]] scores nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from offline.backends import Answer
from offline.bundle import Item, Manifest
from offline.judging.forms import Axis, Form, PresetError

Status = Literal["ok", "lenient", "unparsed"]

NARROW = str.maketrans("０１２３４５６７８９：［］＋－＝ＡＢＣ", "0123456789:[]+-=ABC")
"""Full-width forms, and what they stand for."""

THOUGHT = re.compile(r"\A\s*(?:<think>.*?)?</think>", re.DOTALL)
FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
NUMBER = r"[-+]?[0-9]+(?:\.[0-9]+)?"


@dataclass(frozen=True)
class Parsed:
    """What an answer says. Scores of all axes or of none."""

    status: Status
    reason: str = ""
    """Why it is lenient or unparsed."""
    scores: dict[str, float] = field(default_factory=dict)
    at_fault: dict[str, str] = field(default_factory=dict)
    """Unparsed: which axes could not be read, and why."""
    reasons: dict[str, str] = field(default_factory=dict)
    """By axis: what the judge gave as its reason, where the form has a place for it."""
    verdict: str = ""
    """Pairs: as the judge said it, of the sides as it saw them."""
    checklist: list[str] = field(default_factory=list)


def parse(content: str, form: Form, *, finish_reason: str | None = "stop") -> Parsed:
    """Read an answer.

    Scores of pairs are those of the side that was shown as A. Never raises for what a judge may say.
    """
    faults = {axis.name: "" for axis in form.axes}

    def unparsed(reason: str) -> Parsed:
        return Parsed("unparsed", reason, at_fault=dict.fromkeys(faults, reason))

    if finish_reason == "length":
        return unparsed("cut off at the longest length")
    if finish_reason not in (None, "stop"):
        return unparsed(f"ended by {finish_reason}")
    thought = THOUGHT.match(content)
    if content.lstrip().startswith("<think>") and not thought:
        return unparsed("nothing but thoughts")
    said = content[thought.end() :] if thought else content
    if not said.strip():
        return unparsed("empty")
    read = _json if form.mode == "json" else _text
    parsed = read(said, form)
    if thought and parsed.status == "ok":
        return replace(parsed, status="lenient", reason="thoughts before the answer")
    return parsed


def _text(said: str, form: Form) -> Parsed:
    strict = _scan(said, form, lenient=False)
    if strict.status == "ok":
        return strict
    lenient = _scan(said, form, lenient=True)
    if lenient.status == "ok":
        return replace(lenient, status="lenient", reason="typed in another way")
    return strict


def _scan(said: str, form: Form, *, lenient: bool) -> Parsed:
    if lenient:
        said = said.translate(NARROW).replace("*", "")
    labels = "|".join(re.escape(axis.label) for axis in sorted(form.axes, key=lambda axis: -len(axis.label)))
    gap = r"[ \t\u3000]*" if lenient else ""
    # A pair's verdict stands by itself in some judges' answers, as MT-Bench has it.
    label = (
        rf"(?:(?<![A-Za-z])({labels}){gap}:)?" if form.style == "pair" else rf"(?<![A-Za-z])({labels}){gap}:"
    )
    blank = r"\s*" if lenient else r"\s?"
    pattern = re.compile(rf"{label}{blank}\[\[{gap}([^\[\]\n]{{1,20}}?){gap}\]\]")
    found: dict[str, list[str]] = {axis.name: [] for axis in form.axes}
    names = {axis.label: axis.name for axis in form.axes}
    for match in pattern.finditer(said):
        found[names[match[1]] if match[1] else form.axes[0].name].append(match[2])
    values: dict[str, float] = {}
    faults: dict[str, str] = {}
    verdict = ""
    for axis in form.axes:
        # Words in the brackets, as when a judge repeats the form that it was shown, are no score; every number is one.
        told = [one for one in found[axis.name] if one in axis.verdicts or re.fullmatch(NUMBER, one)]
        if not told:
            faults[axis.name] = "missing"
        elif len(told) > 1:
            faults[axis.name] = "more than once"
        elif told[0] in axis.verdicts:
            verdict, values[axis.name] = told[0], float(axis.verdicts[told[0]])
        elif re.fullmatch(r"[0-9]+", told[0]) and int(told[0]) in axis.points:
            values[axis.name] = float(int(told[0]))
        else:
            faults[axis.name] = "not on the scale"
    if faults:
        return Parsed("unparsed", _sentence(faults), at_fault=faults)
    return Parsed("ok", scores=values, verdict=verdict)


def _json(said: str, form: Form) -> Parsed:
    strict = _object(said, form, lenient=False)
    if strict.status == "ok":
        return strict
    fence = FENCE.match(said)
    lenient = _object(fence[1] if fence else said, form, lenient=True)
    if lenient.status == "ok":
        return replace(lenient, status="lenient", reason="typed in another way")
    return lenient if fence else strict


def _object(said: str, form: Form, *, lenient: bool) -> Parsed:
    def unparsed(reason: str) -> Parsed:
        return Parsed("unparsed", reason, at_fault={axis.name: reason for axis in form.axes})

    try:
        # Grammars of servers let control characters into strings, which JSON does not; so `strict` is.
        read = json.loads(said, strict=not lenient, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        return unparsed("not JSON")
    except ValueError as error:
        return unparsed("a field more than once" if isinstance(error, _Twice) else "not JSON")
    if not isinstance(read, dict):
        return unparsed("not an object")
    if form.style == "checklist":
        return _checklist(read)
    wanted = {axis.name for axis in form.axes}
    objects = read if form.nested else {form.axes[0].name: read}
    if strange := sorted(objects.keys() - wanted):
        return unparsed(f"unknown fields: {', '.join(strange)[:100]}")
    values: dict[str, float] = {}
    faults: dict[str, str] = {}
    reasons: dict[str, str] = {}
    verdict = ""
    for axis in form.axes:
        one = objects.get(axis.name)
        if not isinstance(one, dict) or form.answer not in one:
            faults[axis.name] = "missing"
            continue
        if one.keys() - {*form.reasons, form.answer} or not all(
            isinstance(one.get(name), str) for name in form.reasons
        ):
            faults[axis.name] = "not in the form asked for"
            continue
        value = _value(one[form.answer], axis, lenient=lenient)
        if value is None:
            faults[axis.name] = "not on the scale"
            continue
        values[axis.name] = value
        texts = [one[name] for name in form.reasons]
        reasons[axis.name] = (
            texts[0]
            if len(texts) == 1
            else "\n".join(f"{name}: {text}" for name, text in zip(form.reasons, texts, strict=True))
        )
        if axis.verdicts:
            verdict = str(one[form.answer]).translate(NARROW).strip()
    if faults:
        return Parsed("unparsed", _sentence(faults), at_fault=faults)
    return Parsed("ok", scores=values, reasons=reasons if form.reasons else {}, verdict=verdict)


def _value(said: Any, axis: Axis, *, lenient: bool) -> float | None:
    if lenient and isinstance(said, str):
        said = said.translate(NARROW).strip()
    if axis.verdicts:
        return float(axis.verdicts[said]) if isinstance(said, str) and said in axis.verdicts else None
    if lenient and isinstance(said, str) and re.fullmatch(r"[0-9]{1,9}", said):
        said = int(said)
    if lenient and isinstance(said, float) and said.is_integer():
        said = int(said)
    if isinstance(said, int) and not isinstance(said, bool) and said in axis.points:
        return float(said)
    return None


def _checklist(read: dict[str, Any]) -> Parsed:
    lines = read.get("checklist")
    if read.keys() != {"checklist"} or not isinstance(lines, list) or not lines:
        return Parsed("unparsed", "no checklist")
    if not all(isinstance(line, str) and line.strip() for line in lines):
        return Parsed("unparsed", "a line of the checklist is not a text")
    return Parsed("ok", checklist=[line.strip() for line in lines])


class _Twice(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twice
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(name)  # NaN and the like are not JSON


def _sentence(faults: dict[str, str]) -> str:
    return "; ".join(f"{name}: {fault}" for name, fault in faults.items())


def swapped(value: float, order: str) -> float:
    """The value of side A as that of the pair's first model."""
    return (-value or 0.0) if order == "ba" else value


class JudgeReading:
    """Puts what a judge said of each axis onto the journal's line, and asks again, with another seed, where it cannot be read."""

    def __init__(self, manifest: Manifest) -> None:
        judge = manifest.judge or {}
        self.form = Form.of(judge)
        attempts = judge.get("attempts", 3)
        if not isinstance(attempts, int):
            raise PresetError("judge: attempts: must be a whole number")
        self.max_answers = max(1, attempts)

    def read(self, item: Item, answer: Answer) -> tuple[dict[str, Any], bool]:
        parsed = parse(answer.content, self.form, finish_reason=answer.finish_reason)
        scores = parsed.scores
        if self.form.style == "pair":
            scores = {name: swapped(value, item.order) for name, value in scores.items()}
        line: dict[str, Any] = {
            "judged": judged(item),
            "scores": scores,
            "parse": {"status": parsed.status, "reason": parsed.reason},
        }
        if parsed.at_fault:
            line["parse"]["axes"] = parsed.at_fault
        for name in ("reasons", "verdict", "checklist"):
            if said := getattr(parsed, name):
                line[name] = said
        return line, parsed.status != "unparsed"


def judged(item: Item) -> dict[str, Any]:
    """What was judged: so that a journal's line can be understood by itself."""
    said: Iterable[tuple[str, Any]] = [
        ("model", item.model), ("other", item.other), ("order", item.order), ("turn", item.turn), ("sample", item.sample),
        ("repeat", item.repeat), ("response_sha256", item.response_sha256), ("other_sha256", item.other_sha256),
    ]  # fmt: skip
    return {name: value for name, value in said if value not in (None, "")}
