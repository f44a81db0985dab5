"""WB-Score and WB-Reward, where a judge was asked as WildBench asks: runs of presets that are called so, and WildBench's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection

from annotation.agreement.project import axes_of
from exports.comparison.judges import preset_of
from exports.comparison.people import Items, items_of, means
from exports.comparison.reading import Judge, scored_by, scores_of
from exports.comparison.verdicts.reading import JudgedPairs, items_judged, read_pairs
from projects.models import Axis, Item, Project, Response
from stats.agreement.intervals import Interval
from stats.arrays import Bools, Floats, Ints
from stats.ranking.wildbench import Outcomes, Reward, Score, Variant, groups_of, wb_reward, wb_score

K = 500.0
"""Characters: the paper's value."""
CALLED = "wildbench"


@dataclass(frozen=True, slots=True)
class ModelScores:
    model: str
    published: Score
    ours: Score


@dataclass(frozen=True, slots=True)
class ModelRewards:
    model: str
    baselines: tuple[str, ...]
    published: Reward
    ours: Reward


@dataclass(frozen=True, slots=True)
class WildBench:
    k: float
    """Of the length rule of WB-Reward, in characters; -1 if it is not applied."""
    scores: tuple[tuple[str, tuple[ModelScores, ...]], ...]
    """By axis of the project."""
    rewards: tuple[tuple[str, tuple[ModelRewards, ...]], ...]
    """By axis of the judge."""


def wildbench(
    *,
    project: Project,
    judge: Judge,
    axes: Sequence[str] = (),
    baseline: str = "",
    k: float = K,
    interval: Interval,
    rng: np.random.Generator,
) -> WildBench | None:
    """None where none of the judge's runs was asked so. `baseline`: rewards against this model alone; else against each that
    a model met."""
    runs = [run.pk for run in judge.runs if preset_of(run).startswith(CALLED)]
    if not runs:
        return None
    scores = _scores(project, runs, axes, interval, rng)
    rewards = _rewards(project, runs, baseline, k, interval, rng)
    return WildBench(k, scores, rewards) if scores or rewards else None


def _scores(
    project: Project, runs: Sequence[int], axes: Sequence[str], interval: Interval, rng: np.random.Generator
) -> tuple[tuple[str, tuple[ModelScores, ...]], ...]:
    items = items_of(project, scored_by(runs), with_style=False)
    groups = _groups(project, items.prompts)[items.prompt]
    cut = np.zeros(items.shape, bool)
    cut[items.row, items.column] = _cut(items, items.item)
    found = []
    for axis, versions, _scale in axes_of(project, project.rubrics.values_list("pk", flat=True)):
        if axes and axis.key not in axes:
            continue
        pks = Axis.objects.filter(rubric__project=project, rubric__number__in=versions, key=axis.key)
        said = scores_of(list(pks.values_list("pk", flat=True)), runs)
        known, at = items.of(said["item"])
        row, column, given = items.row[at], items.column[at], said["failure"][known] == 0
        asked = np.zeros(items.shape, bool)
        asked[row, column] = True
        value = said["value"][known].astype(np.float64)
        table = means(row[given], column[given], value[given], items.shape)
        of_models = []
        for m, model in enumerate(items.models):
            use = asked[:, m]
            if not use.any():
                continue
            of = [
                wb_score(
                    table[use, m],
                    groups[use],
                    prompt=items.prompt[use],
                    truncated=cut[use, m],
                    variant=variant,
                    interval=interval,
                    rng=rng,
                )
                for variant in (Variant.PUBLISHED, Variant.OURS)
            ]
            of_models.append(ModelScores(model, *of))
        if of_models:
            found.append((axis.key, tuple(of_models)))
    return tuple(found)


def _rewards(
    project: Project,
    runs: Sequence[int],
    baseline: str,
    k: float,
    interval: Interval,
    rng: np.random.Generator,
) -> tuple[tuple[str, tuple[ModelRewards, ...]], ...]:
    found = []
    items = items_of(project, items_judged(runs), with_style=False)
    for pairs in read_pairs(project, runs):
        groups = _groups(project, pairs.prompts)[pairs.games.prompt]
        length = np.column_stack([_length(items, side) for side in pairs.games.item.T])
        cut = np.logical_or.reduce([_cut(items, side) for side in pairs.games.item.T])
        of_models = [
            _reward(pairs, m, baseline, groups, length, cut, k, interval, rng)
            for m, model in enumerate(pairs.models)
            if model != (baseline or pairs.baseline)
        ]
        if told := tuple(one for one in of_models if one is not None):
            found.append((pairs.axis, told))
    return tuple(found)


def _reward(
    pairs: JudgedPairs,
    model: int,
    baseline: str,
    groups: Bools,
    length: Floats,
    cut: Bools,
    k: float,
    interval: Interval,
    rng: np.random.Generator,
) -> ModelRewards | None:
    """Each game is a row: both orders of a pair count, as two."""
    games = pairs.games
    first, second = games.first == model, games.second == model
    opponent = np.where(first, games.second, games.first)
    use = first | second
    if baseline in pairs.models:
        use &= opponent == pairs.models.index(baseline)
    met = np.unique(opponent[use]).tolist()
    if not met:
        return None
    extent = _extent(games.value) * np.where(first, 1, -1)
    mine, theirs = np.where(first, length[:, 0], length[:, 1]), np.where(first, length[:, 1], length[:, 0])
    outcomes = [
        Outcomes(np.where(opponent == other, extent, np.nan)[use], mine[use], theirs[use]) for other in met
    ]
    published, ours = (
        wb_reward(
            outcomes,
            groups[use],
            k=k,
            prompt=games.prompt[use],
            truncated=cut[use],
            variant=variant,
            interval=interval,
            rng=rng,
        )
        for variant in (Variant.PUBLISHED, Variant.OURS)
    )
    return ModelRewards(pairs.models[model], tuple(pairs.models[other] for other in met), published, ours)


def _extent(value: Floats) -> Floats:
    """2 much better, 1 slightly better, and so on. A mean of several verdicts may lie between."""
    extent: Floats = np.sign(value) * np.ceil(np.abs(value) * 2)
    return extent


def _groups(project: Project, keys: Sequence[str]) -> Bools:
    """(n, 5) WildBench's task groups of prompts, which are its first and further tags."""
    rows = project.prompts.values_list("key", "category", "tags", "metadata")
    tags = {
        key: [category, *own, *_further(metadata)]
        for key, category, own, metadata in rows.iterator(chunk_size=2000)
    }
    return groups_of([tags[key] for key in keys])


def _further(metadata: object) -> list[str]:
    """WildBench calls them so."""
    said = metadata.get("secondary_tags") if isinstance(metadata, dict) else None
    return [str(tag) for tag in said] if isinstance(said, list) else []


def _length(items: Items, item: Ints) -> Floats:
    """Characters of each response; unknown ones are taken to be empty."""
    found = np.zeros(item.size)
    known, at = items.of(item)
    found[known] = items.length[items.row[at], items.column[at]]
    return found


def _cut(items: Items, item: Ints) -> Bools:
    """Which responses were cut off or are empty."""
    known, at = items.of(item)
    found = np.zeros(item.size, bool)
    found[known] = items.length[items.row[at], items.column[at]] == 0
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT i.id FROM {Item._meta.db_table} i JOIN {Response._meta.db_table} r ON r.id = i.response_id"  # noqa: S608
            " WHERE i.id = ANY(%s) AND i.turn = ANY(r.truncated)",
            [np.unique(item[known]).tolist()],
        )
        truncated = [pk for (pk,) in cursor.fetchall()]
    cut: Bools = found | np.isin(item, truncated)
    return cut
