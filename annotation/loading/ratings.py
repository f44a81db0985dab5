"""Ratings into batches of their own: seats that were taken elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any, ClassVar

from django.utils import timezone

from annotation.loading.items import ItemStore
from annotation.loading.raters import RATERS, settle_raters
from annotation.loading.rows import LONGEST_BATCH, SCORE
from annotation.models import Batch, NAReason
from annotation.models.batch import Purpose
from projects.loading.records import RatingRecord
from projects.models import Axis
from projects.tables import BadCell, Problem, as_number, as_text, listed, quoted, say
from projects.tables.messages import _

TARGETS = "loading_rating_target"
GROUPS = "loading_rating_group"
MOST_POINTS_SHOWN = 12


class RatingStore(ItemStore):
    kind = "ratings"
    order = 30
    staging = "loading_rating"
    columns: ClassVar = {
        "prompt": "text",
        "model": "text",
        "sample": "integer",
        "turn": "integer",
        "rater": "text",
        "rater_kind": "text",
        "axis_id": "bigint",
        "value": "double precision",
        "na_reason": "text",
        "rated_at": "timestamptz",
        "comment": "text",
        "purpose": "text",
        "occasion": "integer",
        "seconds": "double precision",
        "flagged": "boolean",
        "batch": "text",
        "sitting": "bigint",
    }

    # One row

    def staged(self, record: RatingRecord) -> Sequence[Any]:
        axis = self.axis_of(record, record.axis, record.axis_field)
        value, na_reason = self._score(record, axis)
        if record.purpose and record.purpose not in Purpose.values:
            purposes = listed(Purpose.values)
            raise self.bad(
                record,
                "purpose",
                say(_("“%(value)s” is none of: %(known)s."), value=quoted(record.purpose), known=purposes),
            )
        if record.occasion and record.occasion > 1 and record.purpose not in ("", Purpose.REPEAT):
            raise self.bad(record, "purpose", say(_("Rating an item again has the purpose “repeat”.")))
        if record.seconds is not None and record.seconds < 0:
            raise self.bad(record, "seconds", say(_("This is less than 0.")))
        return (
            record.prompt,
            record.model,
            record.sample,
            record.turn,
            record.rater,
            record.rater_kind,
            axis.pk,
            value,
            na_reason,
            _aware(record.rated_at),
            record.comment.strip(),
            record.purpose,
            record.occasion,
            record.seconds,
            record.flagged,
            record.batch,
            record.sitting,
        )

    def _score(self, record: RatingRecord, axis: Axis) -> tuple[float | None, str | None]:
        if self.is_no_score(record.score):
            return None, self._reason(record, axis)
        if record.na_reason:
            raise self.bad(record, "na_reason", say(_("Here are both a score and a reason for having none.")))
        try:
            value = as_number(record.score)
        except BadCell as bad:
            advice = bad.advice or say(
                _("If it stands for “cannot judge”, say so (%(option)s)."), option=say("--na-value")
            )
            raise self.bad(record, record.score_field, bad.reason, advice) from None
        if value not in self.points[axis.pk]:
            reason = say(
                _("%(value)s is not on the scale of “%(axis)s”: %(points)s."),
                value=quoted(as_text(record.score)),
                axis=axis.key,
                points=_shown(sorted(self.points[axis.pk])),
            )
            raise self.bad(record, record.score_field, reason)
        return value, None

    def _reason(self, record: RatingRecord, axis: Axis) -> str:
        reason = record.na_reason or NAReason.UNSPECIFIED.value
        if reason not in NAReason.values:
            known = listed(NAReason.values)
            raise self.bad(
                record,
                "na_reason",
                say(_("“%(value)s” is none of: %(known)s."), value=quoted(reason), known=known),
            )
        if not axis.allow_na:
            said = say(
                _("On “%(axis)s” nobody may say “cannot judge” here; it was taken over all the same."),
                axis=axis.key,
            )
            self.loading.problems.warn(
                Problem(said, record.row.place(record.score_field), record.score_field)
            )
        return reason

    # All rows

    def settle(self) -> None:
        if len(self.loading.options.batch) > LONGEST_BATCH:
            reason = say(_("This is longer than %(most)s characters."), most=LONGEST_BATCH)
            self.loading.problems.add(Problem(reason, field="batch"))
        self.run(f"ANALYZE {self.staging}")
        self.analyse(
            "projects_prompt",
            "projects_languagemodel",
            "projects_response",
            "projects_item",
            "annotation_assignment",
            "annotation_score",
        )
        self.tell_unknown_items()
        settle_raters(self)
        self._resolve()
        self._tell_repeats()
        self._tell_seats_of_another_kind()
        self._tell_conflicts()
        self._group()
        self._tell_two_purposes()
        if not self.loading.problems and not self.loading.conflicts:
            self._make_seats()
            created = self._insert_scores()
            self.count("ratings", created=created, unchanged=self.taken - created)
        elif self.loading.dry_run:
            self.count_targets(TARGETS, "score_id")
        self.run(f"DROP TABLE {TARGETS}, {GROUPS}, {RATERS}")

    def _resolve(self) -> None:
        """Each row with its item, its rater, and on which occasion that rater gave it."""
        self.run(
            f"CREATE TEMPORARY TABLE {TARGETS} ON COMMIT DROP AS"  # noqa: S608
            " WITH resolved AS (SELECT l.n, l.axis_id, l.occasion, l.sitting, i.id AS item_id, k.member_id"
            f" FROM {self.staging} l JOIN {RATERS} k ON k.rater = l.rater AND k.rater_kind = l.rater_kind"
            f" {self.ITEM} WHERE i.id IS NOT NULL),"
            " counted AS (SELECT n, axis_id, item_id, member_id, COALESCE(occasion, CASE"
            " WHEN NOT %(repeats)s THEN 1"
            " WHEN sitting IS NULL"
            " THEN row_number() OVER (PARTITION BY item_id, member_id, axis_id, sitting IS NULL ORDER BY n)"
            " ELSE dense_rank() OVER (PARTITION BY item_id, member_id, sitting IS NULL ORDER BY sitting)"
            " END)::smallint AS occasion FROM resolved)"
            " SELECT c.*, a.id AS known_id, x.id AS score_id"
            " FROM counted c JOIN projects_axis axis ON axis.id = c.axis_id"
            " LEFT JOIN annotation_assignment a ON a.item_id = c.item_id AND a.rater_id = c.member_id"
            " AND a.occasion = c.occasion"
            " LEFT JOIN (annotation_score x JOIN projects_axis of ON of.id = x.axis_id)"
            " ON x.assignment_id = a.id AND of.key = axis.key",
            {"project": self.project.pk, "repeats": self.loading.options.repeats},
        )
        self.run(f"ANALYZE {TARGETS}")

    def _tell_repeats(self) -> None:
        """The same rater twice on one item and axis, where repeats were not expected or not told apart."""
        for file, line, rater, axis, first_file, first_line in self.found(
            f"SELECT l.file, l.line, l.rater, x.key, o.file AS of, o.line AS ol FROM (SELECT n, axis_id,"  # noqa: S608
            f" min(n) OVER (PARTITION BY item_id, member_id, axis_id, occasion) AS first FROM {TARGETS}) t"
            f" JOIN {self.staging} l ON l.n = t.n JOIN {self.staging} o ON o.n = t.first"
            " JOIN projects_axis x ON x.id = t.axis_id WHERE t.n <> t.first ORDER BY l.n"
        ):
            other = self.place(first_file, first_line, self.column(first_file, self._field(first_file, axis)))
            reason = say(
                _("“%(rater)s” rates this item on “%(axis)s” here and in %(other)s."),
                rater=quoted(rater),
                axis=axis,
                other=other,
            )
            advice = say(
                _("If the later one is a repeat, say so (%(option)s); otherwise remove one of them."),
                option=say("--repeats"),
            )
            self.error(file, line, self._field(file, axis), reason, advice, other=other)

    def _field(self, file: int, axis: str) -> str:
        """The field of scores on an axis: a table may have a column for each."""
        own = f"{SCORE}{axis}"
        return own if self.loading.has_column(file, own) else "score"

    def _tell_seats_of_another_kind(self) -> None:
        """The rater has a seat at the item that is not a finished rating, or one that cannot take this axis."""
        for file, line, rater, batch, state in self.found(
            f"SELECT l.file, l.line, l.rater, b.name, a.state FROM {TARGETS} t JOIN {self.staging} l ON l.n = t.n"  # noqa: S608
            " JOIN annotation_assignment a ON a.id = t.known_id JOIN annotation_batch b ON b.id = a.batch_id"
            " JOIN projects_axis x ON x.id = t.axis_id WHERE a.state <> 'submitted' OR t.score_id IS NULL"
            " AND (a.origin <> 'loaded' OR x.rubric_id <> b.rubric_id) ORDER BY l.n",
            into=self.loading.conflicts,
        ):
            reason = say(
                _("“%(rater)s” has this item in the batch “%(batch)s” already (%(state)s)."),
                rater=quoted(rater),
                batch=quoted(batch),
                state=state,
            )
            column = self.column(file, "rater")
            self.loading.conflicts.add(Problem(reason, self.place(file, line, column), column))

    def _tell_conflicts(self) -> None:
        for file, line, rater, axis, known, known_reason, given, given_reason in self.found(
            "SELECT l.file, l.line, l.rater, x.key, s.value, s.na_reason, l.value AS given, l.na_reason AS given_reason"  # noqa: S608
            f" FROM {TARGETS} t JOIN {self.staging} l ON l.n = t.n JOIN annotation_score s ON s.id = t.score_id"
            " JOIN annotation_assignment a ON a.id = t.known_id AND a.state = 'submitted'"
            " JOIN projects_axis x ON x.id = t.axis_id WHERE s.value IS DISTINCT FROM l.value"
            " OR s.na_reason <> l.na_reason AND l.na_reason <> 'unspecified' ORDER BY l.n",
            into=self.loading.conflicts,
        ):
            reason = say(
                _("The score of “%(rater)s” on “%(axis)s” is known with another value."),
                rater=quoted(rater),
                axis=axis,
            )
            self.conflict(
                file,
                line,
                self._field(file, axis),
                reason,
                _said(known, known_reason),
                _said(given, given_reason),
            )

    def _group(self) -> None:
        """What becomes one seat: the scores of one rater for one item on one occasion."""
        self.run(
            f"CREATE TEMPORARY TABLE {GROUPS} ON COMMIT DROP AS"  # noqa: S608
            " SELECT t.item_id, t.member_id, t.occasion, min(t.n) AS n, min(NULLIF(l.batch, '')) AS batch,"
            " min(NULLIF(l.purpose, '')) AS purpose, max(NULLIF(l.purpose, '')) AS other_purpose,"
            " max(l.rated_at) AS rated_at, max(l.seconds) AS seconds, bool_or(l.flagged) AS flagged,"
            " COALESCE(string_agg(DISTINCT NULLIF(l.comment, ''), E'\\n'), '') AS comment, max(t.known_id) AS known_id"
            f" FROM {TARGETS} t JOIN {self.staging} l ON l.n = t.n GROUP BY t.item_id, t.member_id, t.occasion"
        )
        self.run(f"ANALYZE {GROUPS}")

    def _tell_two_purposes(self) -> None:
        for file, line, rater, purpose, other in self.found(
            f"SELECT l.file, l.line, l.rater, g.purpose, g.other_purpose FROM {GROUPS} g"  # noqa: S608
            f" JOIN {self.staging} l ON l.n = g.n WHERE g.purpose <> g.other_purpose ORDER BY l.n"
        ):
            reason = say(
                _("“%(rater)s” rates this item with two purposes: %(purpose)s and %(other)s."),
                rater=quoted(rater),
                purpose=purpose,
                other=other,
            )
            self.error(file, line, "purpose", reason)

    def _make_seats(self) -> None:
        names = self.rows(
            f"SELECT g.batch, l.file, min(g.n) FROM {GROUPS} g JOIN {self.staging} l ON l.n = g.n"  # noqa: S608
            " WHERE g.known_id IS NULL GROUP BY 1, 2 ORDER BY 3"
        )
        wanted: dict[str, list[tuple[str | None, int]]] = {}
        for batch, file, _n in names:
            name = batch or self.loading.options.batch or self._named_after(file)
            wanted.setdefault(name, []).append((batch, file))
        for name, groups in wanted.items():
            self._fill(name, groups)

    def _named_after(self, file: int) -> str:
        return PurePath(self.loading.tables[file].name).stem[:120] or "imported"

    def _fill(self, name: str, groups: Sequence[tuple[str | None, int]]) -> None:
        chosen = " OR ".join("(g.batch IS NOT DISTINCT FROM %s AND l.file = %s)" for _group in groups)
        values = [value for group in groups for value in group]
        most = self.value(
            f"SELECT max(n) FROM (SELECT count(*) AS n FROM {GROUPS} g JOIN {self.staging} l ON l.n = g.n"  # noqa: S608
            f" WHERE g.known_id IS NULL AND ({chosen}) GROUP BY g.item_id) AS per_item",
            values,
        )
        batch = self._batch(name, most, sorted({self.loading.tables[file].name for _batch, file in groups}))
        # A surplus rating holds no seat; the others are numbered behind those that the item has in this batch already.
        self.run(
            "INSERT INTO annotation_assignment (key, batch_id, item_id, seat, rater_id, occasion, purpose, origin, state,"  # noqa: S608
            " submitted_at, seconds, comment, flagged, skip_reason)"
            " SELECT gen_random_uuid(), %s, item_id, CASE WHEN purpose <> 'surplus' THEN"
            " seats + row_number() OVER (PARTITION BY item_id, purpose = 'surplus' ORDER BY n) END,"
            " member_id, occasion, purpose, 'loaded', 'submitted', rated_at, seconds, comment, flagged, '' FROM"
            " (SELECT g.n, g.item_id, g.member_id, g.occasion, g.rated_at, g.seconds, g.comment, g.flagged,"
            " CASE WHEN g.occasion > 1 THEN 'repeat' ELSE COALESCE(g.purpose, 'main') END AS purpose,"
            f" COALESCE(there.seats, 0) AS seats FROM {GROUPS} g JOIN {self.staging} l ON l.n = g.n"
            # Counted once: row by row, each would look through all that were inserted before it.
            " LEFT JOIN (SELECT item_id, max(seat) AS seats FROM annotation_assignment WHERE batch_id = %s GROUP BY item_id)"
            f" AS there USING (item_id) WHERE g.known_id IS NULL AND ({chosen})) AS seated"
            " ORDER BY item_id, n",
            [batch.pk, batch.pk, *values],
        )

    def _batch(self, name: str, raters_per_item: int, files: Sequence[str]) -> Batch:
        """The loaded batch of that name, or a new one; a name that something else has gets a number."""
        number, free = 1, name
        while taken := Batch.objects.filter(project=self.project, name=free).first():
            if taken.filling == Batch.Filling.LOADED and taken.rubric_id == self.loading.axes[0].rubric_id:
                return taken
            number += 1
            free = f"{name[:110]} ({number})"
        assert self.loading.rubric is not None  # its axes were found
        return Batch.objects.create(
            project=self.project,
            rubric=self.loading.rubric,
            name=free,
            raters_per_item=raters_per_item,
            filling=Batch.Filling.LOADED,
            seed=0,
            selection={"files": list(files)},
            state=Batch.State.CLOSED,
            closed_at=timezone.now(),
            created_by=self.loading.by,
        )

    def _insert_scores(self) -> int:
        # The triggers on scores join them with their seats.
        self.analyse("annotation_assignment")
        return self.run(
            "INSERT INTO annotation_score (assignment_id, axis_id, value, na_reason)"  # noqa: S608
            f" SELECT a.id, t.axis_id, l.value, l.na_reason FROM {TARGETS} t JOIN {self.staging} l ON l.n = t.n"
            " JOIN annotation_assignment a ON a.item_id = t.item_id AND a.rater_id = t.member_id AND a.occasion = t.occasion"
            " WHERE t.score_id IS NULL ORDER BY a.id, t.axis_id"
        )


def _aware(moment: datetime | None) -> datetime | None:
    return timezone.make_aware(moment) if moment is not None and timezone.is_naive(moment) else moment


def _shown(points: Sequence[float]) -> str:
    shown = [f"{point:g}" for point in points]
    if len(shown) <= MOST_POINTS_SHOWN:
        return ", ".join(shown)
    return f"{', '.join(shown[:3])}, …, {shown[-1]}"


def _said(value: float | None, na_reason: str | None) -> str:
    return f"{value:g}" if value is not None else f"cannot judge ({na_reason})"
