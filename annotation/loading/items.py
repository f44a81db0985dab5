"""Scores of items, whoever gave them: which response, which axis, and what stands for no score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from projects.loading.fields import BadRow, plain
from projects.loading.records import Record
from projects.loading.store import Store
from projects.models import Axis
from projects.tables import BadCell, Message, Problem, as_number, is_empty, listed, quoted, say
from projects.tables.messages import _

#: The same axis under the name that LLM-jp's published layout has for it.
SAME_AXIS = {"factuality": "accuracy", "detailedness": "detail"}


class ItemStore(Store):
    """Of records with prompt, model, sample, turn and axis; the staging table has columns of these names."""

    #: Tells rows of the staging table `l` their item `i`; what is unknown on the way is NULL.
    ITEM: ClassVar = (
        " LEFT JOIN projects_prompt p ON p.project_id = %(project)s AND p.key = l.prompt"
        " LEFT JOIN projects_languagemodel m ON m.project_id = %(project)s AND m.name = l.model"
        " LEFT JOIN projects_response r ON r.prompt_id = p.id AND r.model_id = m.id AND r.sample = l.sample"
        " LEFT JOIN projects_item i ON i.response_id = r.id AND i.turn = l.turn AND i.second_response_id IS NULL"
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._axes = _by_name(self.loading.axes)
        self.points = {axis.pk: {point.value for point in axis.points.all()} for axis in self.loading.axes}
        self._na_texts, self._na_numbers = _na(self.loading.options.na_values)

    def axis_of(self, record: Record, name: str, field: str = "axis") -> Axis:
        if axis := self._axes.get(plain(name)):
            return axis
        if not self.loading.axes:
            raise self.bad(
                record, "axis", say(_("The project has no rubric yet: say first what is asked of raters."))
            )
        reason = say(
            _("The rubric has no axis “%(axis)s”; it has: %(axes)s."),
            axis=quoted(name),
            axes=listed((axis.key for axis in self.loading.axes), 30),
        )
        raise self.bad(record, field, reason)

    def is_no_score(self, score: Any) -> bool:
        """Whether the cell is empty, or has what was said to stand for no score."""
        if is_empty(score) or (isinstance(score, str) and not score.strip()):
            return True
        if isinstance(score, str) and score.strip() in self._na_texts:
            return True
        if not self._na_numbers or isinstance(score, bool):
            return False
        try:
            return as_number(score) in self._na_numbers
        except BadCell:
            return False

    def bad(self, record: Record, field: str, reason: Message, advice: Message | None = None) -> BadRow:
        column = self.column(self.loading.number_of(record.row.table), field)
        return BadRow(Problem(reason, record.row.place(column), column, advice))

    def tell_unknown_items(self) -> None:
        for file, line, prompt, model, sample, turn, prompt_id, model_id, response_id in self.found(
            "SELECT l.file, l.line, l.prompt, l.model, l.sample, l.turn, p.id AS p, m.id AS m, r.id AS r"  # noqa: S608  # names are constants
            f" FROM {self.staging} l {self.ITEM} WHERE i.id IS NULL ORDER BY l.n",
            {"project": self.project.pk},
            unknown=True,
        ):
            if prompt_id is None:
                self.error(file, line, "prompt_id", *self.loading.unknown_prompt(prompt))
            elif model_id is None:
                self.error(file, line, "model", say(_("There is no model “%(name)s”."), name=quoted(model)))
            elif response_id is None:
                reason = say(
                    _("There is no response of “%(model)s” to “%(prompt)s”, sample %(sample)s."),
                    model=quoted(model),
                    prompt=quoted(prompt),
                    sample=sample,
                )
                self.error(file, line, "model", reason)
            else:
                reason = say(
                    _("The response of “%(model)s” to “%(prompt)s” has no turn %(turn)s."),
                    model=quoted(model),
                    prompt=quoted(prompt),
                    turn=turn,
                )
                self.error(file, line, "turn", reason)


def _by_name(axes: Sequence[Axis]) -> dict[str, Axis]:
    """Axes by everything that a file may call them; keys before labels."""
    found = {plain(axis.key): axis for axis in axes}
    for axis in axes:
        for label in (axis.label_ja, axis.label_en):
            if label:
                found.setdefault(plain(label), axis)
    for theirs, ours in SAME_AXIS.items():
        for name, other in ((theirs, ours), (ours, theirs)):
            if name not in found and other in found:
                found[name] = found[other]
    return found


def _na(values: Sequence[str]) -> tuple[set[str], set[float]]:
    texts = {value.strip() for value in values}
    numbers = set()
    for text in texts:
        try:
            numbers.add(as_number(text))
        except BadCell:
            continue
    return texts, numbers
