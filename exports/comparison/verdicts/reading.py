"""Verdicts on pairs as arrays: each by itself, and both orders of a pair together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from psycopg import sql

from annotation.agreement.glued import copied
from exports.comparison.reading import FAILURES, Asked
from exports.models import JudgeVerdict
from projects.models import Item, LanguageModel, Project, Response
from stats.arrays import Bools, Floats, Ints
from stats.ranking.battles import Verdicts

_FIELDS = (
    "run", "prompt", "first", "second", "first_sample", "second_sample", "turn", "repeat", "failure", "first_item", "second_item",
)  # fmt: skip
_VERDICT = np.dtype([*((name, ">i8") for name in _FIELDS), ("value", ">f8")])


@dataclass(frozen=True, slots=True)
class Games:
    """Single verdicts (n,): what a judge said of two responses in the order in which it saw them.

    `first`, `second`: models; `value`: of the first, 1 to -1, NaN where the judge failed; `item` (n, 2): ids of the two
    responses as items, 0 where there is none.
    """

    run: Ints
    prompt: Ints
    first: Ints
    second: Ints
    value: Floats
    item: Ints
    group: Ints
    """The same for what is told apart by its order or by who was compared alone: a prompt at a turn, sample and repeat."""


@dataclass(frozen=True, slots=True)
class JudgedPairs:
    """What a judge said in comparing on one axis."""

    axis: str
    """As the judge calls it; empty where it does not say."""
    verdicts: Verdicts
    item: Ints
    """(n, 2) by pair: ids of its first and second response as items, 0 where there is none."""
    one_order: Bools
    """(n,) pairs that were shown in one order only."""
    models: tuple[str, ...]
    """Names, by their index."""
    prompts: tuple[str, ...]
    """Keys, by their index."""
    key: Ints
    """(n, 7) by pair: ids of the prompt and both models, their samples, turn and repeat. The same for all judges."""
    asked: Asked
    """By prompt."""
    games: Games

    @property
    def baseline(self) -> str:
        """The only model that is in every pair, where there are others: "" if there is none, or two."""
        inside = [
            model
            for model in range(len(self.models))
            if ((self.verdicts.first == model) | (self.verdicts.second == model)).all()
        ]
        return self.models[inside[0]] if len(inside) == 1 else ""


def read_pairs(project: Project, runs: Sequence[int]) -> list[JudgedPairs]:
    """What these runs said of pairs, by axis. A pair that was shown in one order only has NaN for the other.

    How sure a judge was counts in `games` alone: in `verdicts` A>>B is a win like A>B.
    """
    axes = (
        JudgeVerdict.objects.filter(run__in=runs).order_by("axis").values_list("axis", flat=True).distinct()
    )
    names = dict(LanguageModel.objects.filter(project=project).order_by("name").values_list("pk", "name"))
    keys = dict(project.prompts.values_list("pk", "key"))
    return [_pairs(axis, runs, names, keys) for axis in list(axes)]


def items_judged(runs: Sequence[int]) -> sql.Composable:
    """A query for the items whose responses these runs compared."""
    side = (
        "SELECT i.id FROM {verdicts} v JOIN {items} i ON i.response_id = v.{side} AND i.turn = v.turn"
        " AND i.second_response_id IS NULL WHERE v.run_id = ANY({runs})"
    )
    return sql.SQL(" UNION ").join(
        sql.SQL(side).format(
            verdicts=sql.Identifier(JudgeVerdict._meta.db_table),
            items=sql.Identifier(Item._meta.db_table),
            side=sql.Identifier(name),
            runs=list(runs),
        )
        for name in ("first_id", "second_id")
    )


def _pairs(axis: str, runs: Sequence[int], names: dict[int, str], keys: dict[int, str]) -> JudgedPairs:
    query = sql.SQL(
        "SELECT string_agg(int8send(v.run_id) || int8send(a.prompt_id) || int8send(a.model_id) || int8send(b.model_id)"
        " || int8send(a.sample) || int8send(b.sample) || int8send(v.turn) || int8send(v.repeat)"
        " || int8send(COALESCE(array_position({failures}::text[], v.failure::text), 0))"
        " || int8send(COALESCE(i.id, 0)) || int8send(COALESCE(k.id, 0)) || float8send(COALESCE(v.value, 'NaN')), ''::bytea)"
        " FROM {verdicts} v JOIN {responses} a ON a.id = v.first_id JOIN {responses} b ON b.id = v.second_id"
        " LEFT JOIN {items} i ON i.response_id = a.id AND i.turn = v.turn AND i.second_response_id IS NULL"
        " LEFT JOIN {items} k ON k.response_id = b.id AND k.turn = v.turn AND k.second_response_id IS NULL"
        " WHERE v.run_id = ANY({runs}) AND v.axis = {axis} AND a.model_id <> b.model_id GROUP BY v.id >> 15"
    ).format(
        failures=list(FAILURES),
        verdicts=sql.Identifier(JudgeVerdict._meta.db_table),
        responses=sql.Identifier(Response._meta.db_table),
        items=sql.Identifier(Item._meta.db_table),
        runs=list(runs),
        axis=axis,
    )
    rows = copied(query, _VERDICT)
    run, prompt, first, second, sample_1, sample_2, turn, repeat, failure, *items = (
        rows[name].astype(np.int64) for name in _FIELDS
    )
    value, item = rows["value"].astype(np.float64), np.column_stack(items)
    used = set(first.tolist()) | set(second.tolist())
    models = np.array([pk for pk in names if pk in used], dtype=np.int64)  # by name
    number = {pk: at for at, pk in enumerate(models.tolist())}
    first, second = (np.array([number[pk] for pk in of.tolist()], dtype=np.int64) for of in (first, second))
    prompts, prompt = np.unique(prompt, return_inverse=True)
    prompt = prompt.astype(np.int64)
    swapped = second < first
    places = [np.where(swapped, b, a) for a, b in ((first, second), (sample_1, sample_2))]
    places += [np.where(swapped, a, b) for a, b in ((first, second), (sample_1, sample_2))]
    key = np.column_stack([run, prompt, turn, repeat, *places])
    _, at, pair = np.unique(key, axis=0, return_index=True, return_inverse=True)
    pair = pair.ravel()
    got = (np.sign(value) * np.where(swapped, -1, 1) + 1) / 2
    both = np.full((at.size, 2), np.nan)
    both[pair, swapped.astype(np.int64)] = got
    shown = np.bincount(pair, minlength=at.size)
    _, group = np.unique(np.column_stack([prompt, turn, sample_1, repeat, run]), axis=0, return_inverse=True)
    n_prompts = prompts.size
    return JudgedPairs(
        axis=axis,
        verdicts=Verdicts(
            prompt=prompt[at], first=places[0][at], second=places[2][at], one=both[:, 0], other=both[:, 1], n_models=len(models)
        ),
        item=np.where(swapped[at][:, None], item[at][:, ::-1], item[at]),
        one_order=shown == 1,
        key=np.column_stack(
            [prompts[prompt[at]], models[places[0][at]], models[places[2][at]], places[1][at], places[3][at], turn[at], repeat[at]]
        ).astype(np.int64).reshape(-1, 7),
        models=tuple(names[pk] for pk in models.tolist()),
        prompts=tuple(keys[pk] for pk in prompts.tolist()),
        asked=Asked(
            n=len(rows),
            failures={name: int((failure == n).sum()) for n, name in enumerate(FAILURES, 1)},
            asked=np.bincount(prompt, minlength=n_prompts).astype(np.float64),
            failed=np.bincount(prompt[failure > 0], minlength=n_prompts).astype(np.float64),
        ),
        games=Games(run, prompt, first, second, value, item, group.ravel().astype(np.int64)),
    )  # fmt: skip
