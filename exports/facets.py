"""The layout of Facets (FACETS, MINIFAC), the program for many-facet Rasch models.

Two files. `facets-data.txt` has an observation a line: the numbers of the rater, the prompt, the model and the axis, and the
score. `facets.txt` has the specifications: what these numbers are called, and a rating scale for each axis. Facets reads
whole numbers from 0 to 254; where points of a scale are something else, their places on the scale stand for them.

"Cannot judge" is no observation, nor are ratings of other purposes than `main`. Commas, equals signs, tabs, semicolons and
asterisks mean something to Facets, and become blanks in names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from django.db.models import QuerySet
from django.utils.translation import gettext, ngettext

from annotation.models import Assignment
from annotation.models.batch import Purpose
from exports.human_eval import CannotBeWritten
from exports.selection import Rating, Selection
from projects.models import Axis, Member

FACETS = "facets"
SPECIFICATION = f"{FACETS}.txt"
DATA = f"{FACETS}-data.txt"

LARGEST = 254
"""What Facets takes for an observation."""
MOST_CATEGORIES = 255

_END = "\r\n"  # Facets asks for it
_SEPARATORS = re.compile(r'[\s,=;*"]+')


@dataclass(slots=True)
class _Elements:
    """The elements of a facet, numbered from 1 in the order in which they appear."""

    name: str
    numbers: dict[object, int] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)

    def number(self, key: object, label: str) -> int:
        if key not in self.numbers:
            self.numbers[key] = len(self.numbers) + 1
            self.labels.append(_SEPARATORS.sub(" ", label).strip() or "-")
        return self.numbers[key]


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    """An axis, in one or several versions of the rubric that have it with the same points."""

    key: str
    version: int
    """The newest."""
    codes: dict[float, int]
    """What Facets reads for each point."""
    whole: bool
    """Whether these are the points themselves."""


class Facets:
    """A selection in this layout. The specifications can be written when all observations are."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.raters = _Elements("rater")
        self.prompts = _Elements("prompt")
        self.models = _Elements("model")
        self.axes = _Elements("axis")

    @property
    def facets(self) -> tuple[_Elements, ...]:
        """In the order of the data."""
        return self.raters, self.prompts, self.models, self.axes

    @property
    def _ratings(self) -> QuerySet[Assignment]:
        return self.selection.assignments.filter(state=Assignment.State.SUBMITTED, purpose=self.purpose)

    @property
    def purpose(self) -> str:
        batch = self.selection.batch
        if batch is not None and batch.purpose == Purpose.CALIBRATION:
            return str(Purpose.CALIBRATION)
        return str(Purpose.MAIN)

    @cached_property
    def _scales(self) -> dict[int, _Scale]:
        """By the axis' primary key: axes with an order that something was rated on."""
        same: dict[tuple[object, ...], _Scale] = {}
        found: dict[int, _Scale] = {}
        axes = Axis.objects.filter(rubric__in=self.selection.batches.values("rubric"))
        for axis in (
            axes.exclude(kind=Axis.Kind.NOMINAL)
            .select_related("rubric")
            .prefetch_related("points")
            .order_by("-rubric__number", "position")
        ):
            values = sorted(point.value for point in axis.points.all())
            if len(values) > MOST_CATEGORIES:
                continue
            whole = all(value == int(value) and 0 <= value <= LARGEST for value in values)
            codes = {value: int(value) if whole else rank for rank, value in enumerate(values, 1)}
            scale = _Scale(axis.key, axis.rubric.number, codes, whole)
            found[axis.pk] = same.setdefault((axis.key, *values), scale)
        return found

    def count(self) -> int:
        """Ratings that are written, each with a line for each axis."""
        return self._ratings.count()

    def check(self) -> None:
        """Raises CannotBeWritten where there is nothing that Facets could analyse."""
        if self._ratings.filter(rater__kind=Member.Kind.POSITION).exists():
            raise CannotBeWritten(
                gettext("Facets measures raters, and here the raters are positions in a list, not persons.")
            )
        if not self._scales:
            raise CannotBeWritten(gettext("Facets needs an axis whose points have an order."))

    def notes(self) -> list[str]:
        return list(self._notes())

    def _notes(self) -> Iterator[str]:
        if others := self.selection.counts["submitted"] - self._ratings.count():
            yield ngettext(
                "%(n)s rating is left out: its purpose is not “main”.",
                "%(n)s ratings are left out: their purpose is not “main”.",
                others,
            ) % {"n": f"{others:,}"}
        axes = Axis.objects.filter(rubric__in=self.selection.batches.values("rubric"))
        if left_out := sorted(set(axes.exclude(pk__in=self._scales).values_list("key", flat=True))):
            yield gettext("Axes without an order, or with more than 255 points, are left out: %(axes)s") % {
                "axes": ", ".join(left_out)
            }
        if by_rank := sorted({scale.key for scale in self._scales.values() if not scale.whole}):
            yield gettext("Places on the scale, from 1, stand for the points of: %(axes)s") % {
                "axes": ", ".join(by_rank)
            }

    def pieces(self) -> Iterator[bytes]:
        """The observations, those of a rating a piece; an empty one where there is none."""
        self.check()
        for one in self.selection.ratings():
            if one.state == Assignment.State.SUBMITTED and one.purpose == self.purpose:
                yield "".join(self._observations(one)).encode()

    def _observations(self, one: Rating) -> Iterator[str]:
        for pk, _key in one.batch.axes:
            value, _reason = one.scores.get(pk, (None, None))
            scale = self._scales.get(pk)
            if value is None or scale is None:
                continue
            turn = f" turn {one.turn}" if one.turn > 1 else ""
            numbers = (
                self.raters.number(one.rater, one.rater),
                self.prompts.number((one.prompt, one.turn), f"{one.prompt}{turn}"),
                self.models.number(one.model, one.model),
                self.axes.number(scale, self._labels[scale]),
                scale.codes[value],
            )
            yield ",".join(map(str, numbers)) + _END

    @cached_property
    def _labels(self) -> dict[_Scale, str]:
        """An axis that changed its points from one rubric to the next is two, told apart by the rubric."""
        scales = set(self._scales.values())
        keys = Counter(scale.key for scale in scales)
        return {
            scale: scale.key if keys[scale.key] == 1 else f"{scale.key} (rubric {scale.version})"
            for scale in scales
        }

    def specification(self) -> str:
        """What Facets is opened with; after all observations."""
        return "".join(f"{line}{_END}" for line in self._specification())

    def _specification(self) -> Iterator[str]:
        project, batch = self.selection.project, self.selection.batch
        title = f"{project.slug} {batch.name if batch else ''}"
        yield f"Title = {_SEPARATORS.sub(' ', title).strip()}"
        yield "; Observations: rater, prompt, model, axis, score. Higher measures go with higher scores on every facet:"
        yield "; lenient raters, prompts that are answered well, good models, axes with high scores."
        yield "Facets = 4"
        yield "Positive = 1, 2, 3, 4"
        yield "Noncentered = 3 ; models; the means of raters, prompts and axes are 0"
        yield "Models ="
        for scale, number in self.axes.numbers.items():
            assert isinstance(scale, _Scale)
            yield f"?,?,?,{number},R{max(scale.codes.values())} ; {self.axes.labels[number - 1]}: a scale of its own"
            if not scale.whole:
                places = "; ".join(f"{code} is {value:g}" for value, code in scale.codes.items())
                yield f"; {places}"
        yield "*"
        yield "Labels ="
        for number, facet in enumerate(self.facets, 1):
            yield f"{number}, {facet.name}"
            for place, label in enumerate(facet.labels, 1):
                yield f"{place}, {label}"
            yield "*"
        yield f"Data = {DATA}"
