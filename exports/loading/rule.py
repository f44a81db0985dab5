"""Questions with options: whether the letter that a response gives is the right one, found by rule when it is loaded.

Scores of the judge “rule” go onto the project's binary axis “correct” where it has one. Otherwise the load's report says how
often each model was right.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.db import connection

from exports.loading.rows import JudgeScoreRecord
from exports.models import Failure
from offline.multiple_choice import NoSuchOption, mark
from projects.loading.loading import Loading
from projects.models import Axis
from projects.tables import Problem, Row, quoted, say
from projects.tables.messages import _

JUDGE, AXIS, PROMPT = "rule", "correct", "multiple choice, by rule"
FETCHED_AT_ONCE = 500


def score_choices(loading: Loading) -> None:
    """Mark the responses that no rule has marked yet, whichever load brought them."""
    if loading.problems or loading.conflicts or not _has_responses(loading):
        return
    axis = next((axis for axis in loading.axes if axis.key == AXIS and axis.kind == Axis.Kind.BINARY), None)
    counts: Counter[tuple[str, str, str]] = Counter()
    row = Row(loading.tables[0], 1, {})
    points = [point.value for point in axis.points.all()] if axis else []
    store = loading.fresh_store(JudgeScoreRecord.kind) if axis else None
    for model, prompt, sample, category, options, answer, text in _unmarked(loading, axis):
        try:
            marked = mark(text, [str(option) for option in json.loads(options)], answer)
        except NoSuchOption as bad:
            reason = say(
                _("The prompt “%(prompt)s” cannot be marked: %(what)s"), prompt=quoted(prompt), what=str(bad)
            )
            loading.problems.warn(Problem(reason), key=("no such option",))
            continue
        said = "unread" if marked.correct is None else "right" if marked.correct else "wrong"
        counts[model, category, said] += 1
        if store:
            store.take(
                JudgeScoreRecord(
                    row=row,
                    prompt=prompt,
                    model=model,
                    judge=JUDGE,
                    axis=AXIS,
                    score=None if marked.correct is None else max(points) if marked.correct else min(points),
                    sample=sample,
                    failure=Failure.UNPARSED.value if marked.correct is None else "",
                    reason=f"{marked.chosen.letter} ({marked.chosen.rule})" if marked.chosen else "",
                    judge_prompt=PROMPT,
                    again=False,
                )
            )
    _tell(loading, counts)
    if store and store.taken:
        store.flush()
        store.settle()


def _has_responses(loading: Loading) -> bool:
    """Also those that are there already: the axis may have come since."""
    return bool(loading.created.get("responses") or loading.unchanged.get("responses"))


def _unmarked(loading: Loading, axis: Axis | None) -> Iterator[tuple[Any, ...]]:
    """Responses to prompts with options and an answer; last turns are marked."""
    scored = (
        " AND NOT EXISTS (SELECT FROM exports_judgescore s JOIN exports_judgerun j ON j.id = s.run_id"
        " JOIN projects_item i ON i.id = s.item_id WHERE i.response_id = r.id AND j.name = %(judge)s"
        " AND j.project_id = %(project)s)"
        if axis
        else ""
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "DECLARE unmarked NO SCROLL CURSOR FOR SELECT m.name, p.key, r.sample, p.category, p.options::text, p.answer, r.turns[1] FROM projects_response r"  # noqa: S608
            " JOIN projects_prompt p ON p.id = r.prompt_id JOIN projects_languagemodel m ON m.id = r.model_id"
            " WHERE p.project_id = %(project)s AND jsonb_typeof(p.options) = 'array' AND p.options <> '[]' AND p.answer <> ''"
            f" AND cardinality(r.turns) = 1 {scored} ORDER BY r.id",
            {"project": loading.project.pk, "judge": JUDGE},
        )
        while True:
            cursor.execute(f"FETCH {FETCHED_AT_ONCE} FROM unmarked")
            rows = cursor.fetchall()
            if not rows:
                break
            yield from rows
        cursor.execute("CLOSE unmarked")


def _tell(loading: Loading, counts: Counter[tuple[str, str, str]]) -> None:
    models: dict[str, dict[str, Counter[str]]] = {}
    for (model, category, said), n in counts.items():
        models.setdefault(model, {}).setdefault(category or "–", Counter())[said] += n
    for model, categories in models.items():
        whole = sum(categories.values(), Counter())
        by_category = "; ".join(
            f"{name}: {said['right']}/{said.total()}" for name, said in sorted(categories.items())
        )
        reason = say(
            _(
                "Multiple choice, “%(model)s”: %(right)s of %(n)s right (%(share)s %%), %(unread)s without a letter. %(categories)s"
            ),
            model=quoted(model),
            right=whole["right"],
            n=whole.total(),
            share=f"{100 * whole['right'] / whole.total():.1f}",
            unread=whole["unread"],
            categories=by_category if len(categories) > 1 else "",
        )
        loading.notes.append(Problem(reason))
