"""Presets: what a judge is asked, as files.

A preset is one TOML file: templates, axes, sampling, and the form that the answer has. Its hash is of the file's bytes, so
that a changed comma is another judge. Results of two presets are never pooled.

Templates hold {{placeholders}}, which are replaced in one pass. What comes in is text and nothing else: a response with
braces, placeholders or [[5]] in it stays as it is.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from offline.judging.forms import Axis, Form, Mode, PresetError, Style

FOLDER = Path(__file__).with_name("presets")

PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
PLACEHOLDERS = frozenset(
    {
        "prompt", "response", "conversation", "reference", "checklist", "axes", "form",
        "response_a", "response_b", "conversation_a", "conversation_b",
    }
)  # fmt: skip

LONGEST_REASON = 600  # characters, where the answer is constrained

WORDS = {
    "ja": {"user": "ユーザー", "assistant": "アシスタント", "system": "システム", "score": "評点", "reason": "理由", "verdict": "判定"},
    "en": {"user": "User", "assistant": "Assistant", "system": "System", "score": "score", "reason": "Reason", "verdict": "verdict"},
}  # fmt: skip


@dataclass(frozen=True)
class Preset:
    """What a judge is asked."""

    name: str
    sha256: str
    """Of the file."""
    title: str
    about: str
    language: str
    form: Form
    system: str
    user: str
    user_later: str
    """For the second turn and later."""
    sampling: Mapping[str, Any]
    """What differs from the defaults of a bundle."""

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.form.axes

    @property
    def style(self) -> Style:
        return self.form.style

    @property
    def mode(self) -> Mode:
        return self.form.mode

    @property
    def needs(self) -> frozenset[str]:
        """“reference”, “checklist”: what a prompt must have to be judged with it."""
        used = {name for text in (self.user, self.user_later) for name in PLACEHOLDER.findall(text)}
        return frozenset(used & {"reference", "checklist"})

    @property
    def takes_axes(self) -> bool:
        """Whether it can ask for a project's own axes."""
        return self.style == "score" and "{{axes}}" in self.user + self.system

    def with_axes(self, axes: Sequence[Axis]) -> Preset:
        """The same, asking for a project's own axes. Raises PresetError where the preset is not made for that."""
        if not self.takes_axes:
            raise PresetError(f"preset {self.name}: it has axes of its own, and takes no others")
        changed = replace(self, form=replace(self.form, axes=tuple(axes)))
        _check(changed)
        return changed

    def request_fields(self) -> dict[str, Any]:
        """Sampling fields of a request, the constraint included."""
        said = dict(self.sampling)
        if self.mode == "json":
            said["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": self.form.style, "schema": schema(self.form), "strict": True},
            }
        elif self.mode == "regex":
            said["structured_outputs"] = {"regex": regex(self.form, self.language)}
        return said

    def judge(self, name: str, *, attempts: int = 3, repeats: int = 1) -> dict[str, Any]:
        """A manifest's `judge`."""
        return {
            "name": name, "preset": self.name, "preset_sha256": self.sha256, "style": self.style, "mode": self.mode,
            "constrained": self.form.constrained, "axes": [axis.as_json() for axis in self.axes], "reasons": list(self.form.reasons),
            "answer": self.form.answer, "nested": self.form.nested, "attempts": attempts, "repeats": repeats,
        }  # fmt: skip

    def fill(
        self,
        turns: Sequence[Mapping[str, str] | str],
        responses: Sequence[str],
        *,
        turn: int | None = None,
        other: Sequence[str] = (),
        order: str = "ab",
        reference: str | None = None,
        checklist: Sequence[str] = (),
    ) -> Filled:
        """The messages for one response at one turn.

        `turns`: the prompt's, {role, content} or just texts of user turns. `responses`: the answers to the user turns that are
        not answered in `turns`, in their order. `turn`: the user turn whose answer is judged, from 1; the last if None. Pairs:
        `other` has the second model's answers, and order “ba” shows them first. Raises PresetError.
        """
        said = [{"role": "user", "content": one} if isinstance(one, str) else dict(one) for one in turns]
        users = [place for place, one in enumerate(said) if one["role"] == "user"]
        number = len(users) if turn is None else turn
        if not 1 <= number <= len(users):
            raise PresetError(f"there is no turn {number} among {len(users)}")
        place = users[number - 1]
        values = {
            "prompt": said[place]["content"],
            "axes": describe(self.form),
            "form": show(self.form, self.language),
        }
        if "reference" in self.needs:
            if not reference:
                raise PresetError(f"preset {self.name}: the prompt has no reference answer")
            values["reference"] = reference
        if "checklist" in self.needs:
            if not checklist:
                raise PresetError(f"preset {self.name}: the prompt has no checklist")
            values["checklist"] = "\n".join(f"{i}. {one}" for i, one in enumerate(checklist, 1))
        if self.style == "checklist":
            values["conversation"] = self._conversation(said[:place], responses)[0]
        elif self.style == "pair":
            if order not in ("ab", "ba"):
                raise PresetError(f"the order of a pair is “ab” or “ba”, not {order!r}")
            first, second = (responses, other) if order == "ab" else (other, responses)
            for side, answers in (("a", first), ("b", second)):
                values[f"conversation_{side}"], values[f"response_{side}"] = self._sides(
                    said, place, answers, number
                )
        else:
            values["conversation"], values["response"] = self._sides(said, place, responses, number)
        template = self.user if number == 1 else self.user_later
        return Filled(system=fill_in(self.system, values) or None, user=fill_in(template, values))

    def _sides(
        self, said: list[dict[str, str]], place: int, answers: Sequence[str], number: int
    ) -> tuple[str, str]:
        conversation, used = self._conversation(said[:place], answers)
        if place + 1 < len(said) and said[place + 1]["role"] == "assistant":
            raise PresetError(f"turn {number} is answered in the prompt itself")
        if len(answers) <= used:
            raise PresetError(f"turn {number} has no response")
        return conversation, answers[used]

    def _conversation(self, before: list[dict[str, str]], answers: Sequence[str]) -> tuple[str, int]:
        """What came before the judged turn, and how many answers that took."""
        words, parts, used = WORDS[self.language], list[str](), 0
        for at, one in enumerate(before):
            parts.append(f"[{words.get(one['role'], one['role'])}]\n{one['content']}")
            answered = at + 1 < len(before) and before[at + 1]["role"] == "assistant"
            if one["role"] != "user" or answered:
                continue
            if used < len(answers):
                parts.append(f"[{words['assistant']}]\n{answers[used]}")
                used += 1
            elif self.style != "checklist":
                raise PresetError("an earlier turn has no response")
        return "\n\n".join(parts), used


@dataclass(frozen=True)
class Filled:
    """What is sent."""

    system: str | None
    user: str

    @property
    def messages(self) -> list[dict[str, str]]:
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": self.user}]


def names() -> list[str]:
    """Of the presets that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str | Path) -> Preset:
    """By name, or by the path of a file of one's own. Raises PresetError."""
    path = FOLDER / f"{name}.toml"
    if isinstance(name, Path) or name.endswith(".toml"):
        path = Path(name)
    elif name not in names():
        raise PresetError(f"there is no preset “{name}”; there are: {', '.join(names())}")
    try:
        data = path.read_bytes()
        return _read(path.stem, hashlib.sha256(data).hexdigest(), tomllib.loads(data.decode()))
    except OSError as error:
        raise PresetError(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise PresetError(f"{path}: {error}") from error


def _read(name: str, sha256: str, said: dict[str, Any]) -> Preset:
    known = {"title", "about", "language", "style", "mode", "system", "user", "user_later", "axes", "reasons"}
    if strange := said.keys() - known - {"answer", "nested", "sampling"}:
        raise PresetError(f"unknown fields: {', '.join(sorted(strange))}")
    if missing := {"title", "style", "mode", "user"} - said.keys():
        raise PresetError(f"missing fields: {', '.join(sorted(missing))}")
    preset = Preset(
        name=name,
        sha256=sha256,
        title=said["title"],
        about=said.get("about", "").strip(),
        language=said.get("language", "ja"),
        form=Form(
            style=said["style"], mode=said["mode"], axes=tuple(Axis(**axis) for axis in said.get("axes", ())),
            reasons=tuple(said.get("reasons", ())), answer=said.get("answer", "score"), nested=said.get("nested", False),
        ),
        system=said.get("system", "").strip(),
        user=said["user"].strip(),
        user_later=said.get("user_later", said["user"]).strip(),
        sampling=said.get("sampling", {}),
    )  # fmt: skip
    _check(preset)
    return preset


def _check(preset: Preset) -> None:
    form = preset.form
    if preset.language not in WORDS:
        raise PresetError(f"language: {preset.language!r}; there are: {', '.join(WORDS)}")
    if form.style not in ("score", "pair", "checklist") or form.mode not in ("text", "regex", "json"):
        raise PresetError(f"style {form.style!r} with mode {form.mode!r}: there is no such thing")
    for text in (preset.system, preset.user, preset.user_later):
        if strange := set(PLACEHOLDER.findall(text)) - PLACEHOLDERS:
            raise PresetError(f"unknown placeholders: {', '.join(sorted(strange))}")
    names_, labels = [axis.name for axis in form.axes], [axis.label for axis in form.axes]
    if len(set(names_)) < len(names_) or len(set(labels)) < len(labels):
        raise PresetError("two axes of one name or label")
    if form.style == "checklist":
        if form.axes or form.mode != "json":
            raise PresetError("a checklist has no axes, and comes as JSON")
        return
    if not form.axes:
        raise PresetError("there are no axes")
    if any(bool(axis.verdicts) != (form.style == "pair") for axis in form.axes):
        raise PresetError("axes have points for scores, verdicts for pairs")
    if len(form.axes) > 1 and (form.style == "pair" or (form.mode == "json" and not form.nested)):
        raise PresetError("several axes: of scores only, and in JSON only where they are nested")


def fill_in(template: str, values: Mapping[str, str]) -> str:
    """Every {{placeholder}} replaced, in one pass: nothing that is put in is looked at again."""

    def value(match: re.Match[str]) -> str:
        try:
            return values[match[1]]
        except KeyError:
            raise PresetError(f"nothing to put in for {match[0]}") from None

    return PLACEHOLDER.sub(value, template)


def describe(form: Form) -> str:
    """The axes as the judge reads them."""
    lines = []
    for axis in form.axes:
        span = f" ({axis.points[0]}–{axis.points[-1]})" if axis.points else ""
        lines.append(
            f"- {axis.label}{span}: {axis.description}" if axis.description else f"- {axis.label}{span}"
        )
        lines += [
            f"  - {point}: {level}" for point, level in zip(axis.points, axis.levels, strict=False) if level
        ]
    return "\n".join(lines)


def show(form: Form, language: str) -> str:
    """How the answer is to look."""
    words = WORDS[language]
    if form.style == "checklist":
        return json.dumps({"checklist": ["…", "…"]}, ensure_ascii=False)
    if form.mode == "json":
        shown = {axis.name: _shown(form, axis) for axis in form.axes}
        said = shown if form.nested else shown[form.axes[0].name]
        text = json.dumps(said, ensure_ascii=False, indent=2)
        return (
            text if form.style == "pair" else text.replace('"<', "<").replace('>"', ">")
        )  # numbers, not texts
    lines = []
    for axis in form.axes:
        if form.mode == "regex":
            lines.append(f"{words['reason']}: …")
        word = words["verdict" if form.style == "pair" else "score"]
        lines.append(f"{axis.label}: [[{word}]]")
    return "\n".join(lines)


def _shown(form: Form, axis: Axis) -> dict[str, Any]:
    values = list(axis.verdicts) or [str(point) for point in axis.points]
    few = " | ".join(values) if len(values) <= 10 else f"{values[0]} … {values[-1]}"
    return {**dict.fromkeys(form.reasons, "…"), form.answer: f"<{few}>"}


def schema(form: Form) -> dict[str, Any]:
    """JSON schema of an answer: reasons before each score, since what is written first is what the score rests on."""
    if form.style == "checklist":
        item = {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON}
        return _object({"checklist": {"type": "array", "items": item, "minItems": 3, "maxItems": 12}})
    shapes = {}
    for axis in form.axes:
        reason = {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON}
        answer: dict[str, Any] = (
            {"type": "string", "enum": list(axis.verdicts)}
            if axis.verdicts
            else {"type": "integer", "enum": list(axis.points)}
        )
        shapes[axis.name] = _object({**dict.fromkeys(form.reasons, reason), form.answer: answer})
    return _object(shapes) if form.nested else shapes[form.axes[0].name]


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def regex(form: Form, language: str) -> str:
    """Regular expression of an answer: for each axis a line with the reason, then the line with the score."""
    reason = rf"{WORDS[language]['reason']}: [^\n\[\]]{{1,{LONGEST_REASON // 2}}}\n"
    parts = []
    for axis in form.axes:
        values = "|".join(_plain(str(value)) for value in axis.verdicts or axis.points)
        parts.append(rf"{reason}{_plain(axis.label)}: \[\[({values})\]\]")
    return r"\n".join(parts)


def _plain(text: str) -> str:
    """Escaped for a regular expression: only what must be, since other engines than Python's read it."""
    return re.sub(r"([\\.^$*+?()|])", r"\\\1", text)
