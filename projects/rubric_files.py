"""Rubrics in files: the presets that come with us, and those that labs write, in JSON or YAML."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from django.db import transaction

from projects.models import Axis, Point, Project, Rubric, User
from projects.tables import Place, Problem, listed, quoted, say
from projects.tables.messages import _

PRESETS = Path(__file__).parent / "rubrics"
DEFAULT_PRESET = "llm-jp"
LARGEST_FILE = 2 << 20
MOST_POINTS = 1001
LONGEST_NAME = 200
LONGEST_KEY = 60

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Words:
    """The same words in Japanese and English; either may be missing."""

    ja: str = ""
    en: str = ""

    def __bool__(self) -> bool:
        return bool(self.ja or self.en)


@dataclass(frozen=True)
class PointSpec:
    value: float
    label: Words = Words()
    description: Words = Words()


@dataclass(frozen=True)
class AxisSpec:
    key: str
    label: Words
    points: tuple[PointSpec, ...]
    description: Words = Words()
    kind: str = Axis.Kind.ORDINAL.value
    allow_na: bool = True


@dataclass(frozen=True)
class RubricSpec:
    """What a rubric file says."""

    name: str
    axes: tuple[AxisSpec, ...]
    guidelines: Words = Words()


class BadRubric(Exception):
    """What a rubric file says is no rubric; `problems` names each field by its path."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = list(problems)


def presets() -> list[str]:
    """Names of the rubrics that come with us, the default one first."""
    names = sorted(path.stem for path in PRESETS.glob("*.json"))
    return sorted(names, key=lambda name: name != DEFAULT_PRESET)


def read_rubric(preset_or_path: str) -> RubricSpec:
    """The preset of that name, or the file at that path. Raises BadRubric."""
    if preset_or_path in presets():
        return parse_rubric((PRESETS / f"{preset_or_path}.json").read_bytes(), name=f"{preset_or_path}.json")
    path = Path(preset_or_path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadRubric([Problem(say(_("This file is too large to be a rubric.")), Place(path.name))])
        return parse_rubric(path.read_bytes(), name=path.name)
    except OSError:
        reason = say(
            _("“%(name)s” is neither a file nor one of the presets: %(presets)s."),
            name=preset_or_path,
            presets=listed(presets()),
        )
        raise BadRubric([Problem(reason)]) from None


def parse_rubric(content: bytes, *, name: str) -> RubricSpec:
    """The rubric that a file of this content describes; JSON is read as JSON, everything else as YAML."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRubric([Problem(say(_("This file is not in UTF-8.")), Place(name))]) from None
    try:
        found = (
            json.loads(text, object_pairs_hook=_each_name_once)
            if text.lstrip().startswith(("{", "["))
            else yaml.load(text, _Loader)  # noqa: S506  # a SafeLoader that also refuses aliases
        )
    except yaml.MarkedYAMLError as bad:
        mark = bad.problem_mark
        reason = say(_("This is not YAML: %(what)s"), what=quoted(bad.problem or str(bad), 120))
        raise BadRubric([Problem(reason, Place(name, mark.line + 1 if mark else None))]) from None
    except json.JSONDecodeError as bad:
        reason = say(_("This is not JSON: %(what)s"), what=quoted(bad.msg, 120))
        raise BadRubric([Problem(reason, Place(name, bad.lineno))]) from None
    except (ValueError, RecursionError, yaml.YAMLError) as bad:
        raise BadRubric(
            [Problem(say(_("This cannot be read: %(what)s"), what=quoted(str(bad), 120)), Place(name))]
        ) from None
    reading = _Reading(name)
    rubric = reading.rubric(found)
    if reading.problems:
        raise BadRubric(reading.problems)
    return rubric


@transaction.atomic
def create_rubric(*, project: Project, spec: RubricSpec) -> Rubric:
    """The project's next rubric version, as `spec` has it."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    newest = project.current_rubric()
    rubric = Rubric.objects.create(
        project=project,
        number=newest.number + 1 if newest else 1,
        name=spec.name,
        guidelines_ja=spec.guidelines.ja,
        guidelines_en=spec.guidelines.en,
    )
    axes = Axis.objects.bulk_create(
        Axis(
            rubric=rubric,
            key=axis.key,
            position=position,
            label_ja=axis.label.ja,
            label_en=axis.label.en,
            description_ja=axis.description.ja,
            description_en=axis.description.en,
            kind=axis.kind,
            allow_na=axis.allow_na,
        )
        for position, axis in enumerate(spec.axes, 1)
    )
    Point.objects.bulk_create(
        Point(
            axis=axis,
            value=point.value,
            rank=rank,
            label_ja=point.label.ja,
            label_en=point.label.en,
            description_ja=point.description.ja,
            description_en=point.description.en,
        )
        for axis, said in zip(axes, spec.axes, strict=True)
        for rank, point in enumerate(said.points, 1)
    )
    return rubric


@transaction.atomic
def make_project(
    *,
    slug: str,
    spec: RubricSpec,
    name: str = "",
    name_ja: str = "",
    is_simulated: bool = False,
    coordinator: User | None = None,
) -> Project:
    """A project with its first rubric version, and a coordinator if one is named."""
    project = Project.objects.create(
        slug=slug,
        name=name or slug,
        name_ja=name_ja,
        is_simulated=is_simulated,
        people_so_far=1 if coordinator else 0,
    )
    create_rubric(project=project, spec=spec)
    if coordinator:
        project.members.create(user=coordinator, pseudonym="R001", is_coordinator=True, is_researcher=True)
    return project


class _Loader(yaml.SafeLoader):
    """Plain YAML: no aliases, which can grow without bounds, and no key twice, of which one would be lost."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            at = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not read", at)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _value in node.value]
        for number, key in enumerate(keys):
            if not isinstance(key, str | bool | int | float):
                raise yaml.constructor.ConstructorError(None, None, "a field’s name is text", node.start_mark)
            if key in keys[:number]:
                at = node.value[number][0].start_mark
                raise yaml.constructor.ConstructorError(None, None, f"“{key}” stands here twice", at)
        return super().construct_mapping(node, deep=deep)


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        raise ValueError(
            f"“{next(name for name in names if names.count(name) > 1)}” stands twice in an object"
        )
    return found


@dataclass
class _Reading:
    """One file as it is checked; what is wrong is collected, so that all of it is told at once."""

    name: str
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, path: str, text: str, **values: Any) -> None:
        self.problems.append(Problem(say(text, **values), Place(self.name), path))

    def rubric(self, found: Any) -> RubricSpec:
        top = self._object(found, "", {"name", "guidelines", "axes"}, {"axes"})
        axes = [
            self._axis(axis, f"axes[{at}]") for at, axis in enumerate(self._list(top.get("axes"), "axes"))
        ]
        seen: dict[str, int] = {}
        for at, axis in enumerate(axes):
            if axis.key and axis.key in seen:
                self.wrong(f"axes[{at}].key", _("Two axes have the key “%(key)s”."), key=axis.key)
            seen[axis.key] = at
        name = self._text(top.get("name"), "name", LONGEST_NAME) or Path(self.name).stem[:LONGEST_NAME]
        return RubricSpec(name, tuple(axes), self._words(top.get("guidelines"), "guidelines"))

    def _axis(self, found: Any, path: str) -> AxisSpec:
        known = {"key", "label", "description", "kind", "points", "allow_na"}
        axis = self._object(found, path, known, {"key", "points"})
        key = self._text(axis.get("key"), f"{path}.key", LONGEST_KEY)
        if key and not _KEY.fullmatch(key):
            self.wrong(
                f"{path}.key",
                _("A key has ASCII letters, digits, “_”, “.” and “-”, and begins with a letter."),
            )
        label = self._words(axis.get("label"), f"{path}.label", LONGEST_NAME)
        kind = axis.get("kind", Axis.Kind.ORDINAL.value)
        if kind not in Axis.Kind.values:
            kinds = listed(Axis.Kind.values)
            self.wrong(f"{path}.kind", _("“%(kind)s” is none of: %(kinds)s."), kind=quoted(kind), kinds=kinds)
        allow_na = axis.get("allow_na", True)
        if not isinstance(allow_na, bool):
            self.wrong(f"{path}.allow_na", _("Here should be true or false."))
        points = self._points(axis.get("points"), f"{path}.points")
        if kind == Axis.Kind.BINARY and len(points) != 2 and points:
            self.wrong(f"{path}.points", _("A yes/no axis has two points; here are %(n)s."), n=len(points))
        return AxisSpec(
            key=key,
            label=label or Words(en=key),
            points=points,
            description=self._words(axis.get("description"), f"{path}.description"),
            kind=str(kind),
            allow_na=bool(allow_na),
        )

    def _points(self, found: Any, path: str) -> tuple[PointSpec, ...]:
        if isinstance(found, Mapping):
            return self._range(found, path)
        points = [
            self._point(point, f"{path}[{at}]")
            for at, point in enumerate(self._list(found, path, most=MOST_POINTS))
        ]
        if len(points) == 1:
            self.wrong(path, _("A scale has at least two points."))
        seen: set[float] = set()
        for at, point in enumerate(points):
            if point.value in seen:
                self.wrong(
                    f"{path}[{at}].value", _("Two points have the value %(value)s."), value=f"{point.value:g}"
                )
            seen.add(point.value)
        return tuple(sorted(points, key=lambda point: point.value))

    def _point(self, found: Any, path: str) -> PointSpec:
        if isinstance(found, int | float) and not isinstance(found, bool):
            found = {"value": found}
        point = self._object(found, path, {"value", "label", "description"}, {"value"})
        return PointSpec(
            self._number(point.get("value"), f"{path}.value") if "value" in point else math.nan,
            self._words(point.get("label"), f"{path}.label", LONGEST_NAME),
            self._words(point.get("description"), f"{path}.description"),
        )

    def _range(self, found: Mapping[Any, Any], path: str) -> tuple[PointSpec, ...]:
        said = self._object(found, path, {"from", "to", "step"}, {"from", "to"})
        if "from" not in said or "to" not in said:
            return ()
        first = self._number(said["from"], f"{path}.from")
        last = self._number(said["to"], f"{path}.to")
        step = self._number(said.get("step", 1), f"{path}.step")
        if not all(map(math.isfinite, (first, last, step))):
            return ()
        if step <= 0 or last <= first:
            self.wrong(path, _("A range goes from a smaller number to a larger one in steps above 0."))
            return ()
        steps = (last - first) / step
        if abs(steps - round(steps)) > 1e-6:
            self.wrong(
                f"{path}.step",
                _("Steps of %(step)s from %(first)s do not end at %(last)s."),
                step=f"{step:g}",
                first=f"{first:g}",
                last=f"{last:g}",
            )
            return ()
        if round(steps) + 1 > MOST_POINTS:
            self.wrong(
                path,
                _("A scale has at most %(most)s points; these would be %(n)s."),
                most=MOST_POINTS,
                n=round(steps) + 1,
            )
            return ()
        return tuple(PointSpec(round(first + at * step, 9)) for at in range(round(steps) + 1))

    def _object(self, found: Any, path: str, known: set[str], needed: set[str]) -> Mapping[Any, Any]:
        if not isinstance(found, Mapping):
            self.wrong(
                path, _("Here should be an object with the fields: %(fields)s."), fields=listed(sorted(known))
            )
            return {}
        for name in found:
            if name not in known:
                self.wrong(
                    f"{path}.{name}".lstrip("."),
                    _("There is no field “%(name)s” here; there are: %(fields)s."),
                    name=quoted(str(name)),
                    fields=listed(sorted(known)),
                )
        for name in sorted(needed - set(found)):
            self.wrong(f"{path}.{name}".lstrip("."), _("This field is missing."))
        return found

    def _list(self, found: Any, path: str, most: int = 100) -> list[Any]:
        if found is None:
            return []  # missing, which was said already
        if not isinstance(found, list) or not found:
            self.wrong(path, _("Here should be a list that is not empty."))
            return []
        if len(found) > most:
            self.wrong(path, _("This list is longer than %(most)s."), most=most)
            return []
        return found

    def _text(self, found: Any, path: str, longest: int | None = None) -> str:
        if found is None:
            return ""
        if not isinstance(found, str):
            self.wrong(path, _("Here should be text; put it in quotation marks."))
            return ""
        if longest and len(found) > longest:
            self.wrong(path, _("This is longer than %(most)s characters."), most=longest)
        if "\x00" in found:
            self.wrong(path, _("U+0000 cannot be stored."))
        return found.strip()

    def _words(self, found: Any, path: str, longest: int | None = None) -> Words:
        if found is None or isinstance(found, str):
            return Words(en=self._text(found, path, longest))
        words = self._object(found, path, {"ja", "en"}, set())
        return Words(
            self._text(words.get("ja"), f"{path}.ja", longest),
            self._text(words.get("en"), f"{path}.en", longest),
        )

    def _number(self, found: Any, path: str) -> float:
        if isinstance(found, int | float) and not isinstance(found, bool) and -1e15 < found < 1e15:
            return float(found)
        self.wrong(path, _("“%(value)s” is not a number that a scale can have."), value=quoted(found))
        return math.nan
