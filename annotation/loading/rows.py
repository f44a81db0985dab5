"""Ratings in rows: a score per row, or a column per axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from projects.loading.fields import Columns, Fields, plain
from projects.loading.formats.base import LONGEST_KEY, LONGEST_MODEL, LONGEST_WORD, MOST_SAMPLES, MOST_TURNS
from projects.loading.formats.rows import RowKind
from projects.loading.records import RatingRecord, Record
from projects.models import Member
from projects.tables import listed, quoted, say
from projects.tables.messages import _

if TYPE_CHECKING:
    from projects.loading.loading import Loading

LONGEST_BATCH = 120
MOST_OCCASIONS = 1000
#: `score.fluency`: the score on the axis “fluency”, in a table with a column per axis.
SCORE = "score."
REASON = "na_reason."


class RatingRow(RowKind):
    name = "ratings"
    needs = "prompt_id, model, rater, axis, score"
    fields = (
        "prompt_id", "model", "rater", "axis", "score", "turn", "sample", "na_reason", "rated_at", "comment", "purpose",
        "occasion", "seconds", "flagged", "batch", "rater_kind",
        # What our own downloads say besides, and a load decides anew.
        "rubric", "origin", "state", "skip_reason",
    )  # fmt: skip
    reads_scores = True

    def __init__(self, loading: Loading, columns: Columns) -> None:
        super().__init__(loading, columns)
        self._axes = [field.removeprefix(SCORE) for field in columns if field.startswith(SCORE)]
        self._sittings = 0

    @classmethod
    def all_fields(cls, loading: Loading) -> Sequence[str]:
        return [*cls.fields, *(f"{what}{axis.key}" for axis in loading.axes for what in (SCORE, REASON))]

    @classmethod
    def aliases(cls, loading: Loading) -> Mapping[str, str]:
        """A column of scores may be called like its axis."""
        found: dict[str, str] = {}
        for axis in loading.axes:
            for name in (axis.key, axis.label_ja, axis.label_en):
                if name and plain(name) not in cls.fields:
                    found.setdefault(plain(name), f"{SCORE}{axis.key}")
                    found.setdefault(plain(f"{name}_na_reason"), f"{REASON}{axis.key}")
        return found

    @classmethod
    def holds(cls, names: Columns | set[str]) -> bool:
        scores = ("axis" in names and "score" in names) or any(name.startswith(SCORE) for name in names)
        return scores and all(name in names for name in ("prompt_id", "model", "rater"))

    @classmethod
    def is_meant(cls, filled: set[str]) -> bool:
        if "judge" in filled and "rater" not in filled:  # scores of an automatic judge, which exports reads
            return False
        return bool(filled & {"rater", "axis", "score"}) or any(name.startswith(SCORE) for name in filled)

    @staticmethod
    def _rater_kind(fields: Fields) -> str:
        kind = fields.text("rater_kind").strip()
        if kind not in ("", *Member.Kind.values):
            known = listed(Member.Kind.values)
            raise fields.refuse(
                "rater_kind", say(_("“%(value)s” is none of: %(known)s."), value=quoted(kind), known=known)
            )
        return kind or Member.Kind.PERSON.value

    def records(self, fields: Fields, metadata: dict[str, Any]) -> Iterator[Record]:
        common = {
            "row": fields.row,
            "prompt": fields.name("prompt_id", LONGEST_KEY),
            "model": fields.name("model", LONGEST_MODEL),
            "rater": fields.name("rater", LONGEST_WORD),
            "rater_kind": self._rater_kind(fields),
            "turn": fields.integer("turn", 1, least=1, most=MOST_TURNS),
            "sample": fields.integer("sample", 0, least=0, most=MOST_SAMPLES),
            "rated_at": fields.moment("rated_at"),
            "comment": fields.text("comment"),
            "purpose": fields.text("purpose").strip(),
            "occasion": fields.integer("occasion", 1, least=1, most=MOST_OCCASIONS)
            if fields.has("occasion")
            else None,
            "seconds": fields.number("seconds"),
            "flagged": fields.truth("flagged"),
            "batch": fields.text("batch", LONGEST_BATCH).strip(),
        }
        if fields.has("axis") or not self._axes:
            yield RatingRecord(
                axis=fields.name("axis", LONGEST_WORD),
                score=fields.raw("score"),
                score_field=self.columns.of("score"),
                na_reason=fields.text("na_reason").strip(),
                **common,
            )
            return
        self._sittings += 1
        for axis in self._axes:
            # Here an empty cell is no score at all: only the reason beside it makes it "cannot judge".
            if fields.has(f"{SCORE}{axis}") or fields.has(f"{REASON}{axis}"):
                yield RatingRecord(
                    axis=axis,
                    score=fields.raw(f"{SCORE}{axis}"),
                    score_field=self.columns.of(f"{SCORE}{axis}"),
                    na_reason=fields.text(f"{REASON}{axis}").strip(),
                    sitting=self._sittings,
                    **common,
                )
