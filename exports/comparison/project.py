"""Judges beside people: everything of `stats.judges` on each axis of a project."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from django.utils import timezone

from annotation.models import Batch
from annotation.models.batch import Purpose
from exports.comparison.axis import AxisComparison, compare_on_axis
from exports.comparison.between import AxisBetween, compare_judges_on_axis
from exports.comparison.reading import Judge, JudgedAxis, read
from exports.comparison.verdicts.between import PairsBetween, compare_pair_judges
from exports.comparison.verdicts.figures import PairComparison, compare_pairs
from exports.comparison.verdicts.wildbench import K, WildBench, wildbench
from exports.models import JudgeScore, JudgeVerdict
from projects.models import Axis, Project
from stats.agreement.intervals import Interval
from stats.judges.alt_test import AltTest, Scoring, Setting, alt_tests
from stats.resampling import CLUSTER_BOOTSTRAP

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and what is being done."""


@dataclass(frozen=True, slots=True)
class JudgeComparison:
    """One judge on all axes."""

    judge: Judge
    axes: tuple[AxisComparison, ...]
    """Empty where the judge has given verdicts on pairs and no scores."""
    verdicts: tuple[PairComparison, ...] = ()
    """On pairs, by the axis that the judge compared on."""
    wildbench: WildBench | None = None


@dataclass(frozen=True, slots=True)
class ProjectComparison:
    project: Project
    batch: Batch | None
    """None: all batches of the project."""
    purpose: str
    """Of the ratings that were counted."""
    interval: Interval
    seed: int
    computed_at: datetime
    judges: tuple[JudgeComparison, ...]
    between: tuple[AxisBetween, ...]
    """The judges against each other on each axis whose points have an order, where there are several."""
    pairs_between: tuple[PairsBetween, ...] = ()
    """Those of them that gave verdicts on the same pairs against each other."""


def compare(
    *,
    project: Project,
    judges: Sequence[Judge],
    batch: Batch | None = None,
    axes: Sequence[str] = (),
    own: Sequence[str] = (),
    baseline: str = "",
    margin: float = 0.0,
    k: float = K,
    adjust: bool = False,
    setting: Setting | None = None,
    interval: Interval = CLUSTER_BOOTSTRAP,
    seed: int = 1,
    progress: Progress | None = None,
) -> ProjectComparison:
    """All that `stats.judges` says of these judges, with intervals over prompts.

    Counted are people's independent ratings of the design, as for agreement. `axes`: keys, all by default. `own`:
    names of the models of the judges' own family. `baseline`: the model that the others are set against. `margin`: of people's ties, beside verdicts on pairs. `k`: of WildBench's
    length rule.
    `adjust`: take the severity of raters out of people's means. The same `seed` gives the same figures again. Chance hangs on the axis
    alone: all judges are seen on the same resamples, and leaving an axis or a judge out does not move the others.
    """
    purpose = (
        Purpose.CALIBRATION if batch is not None and batch.purpose == Purpose.CALIBRATION else Purpose.MAIN
    )
    scoring = [judge for judge in judges if _scores(judge)]
    judged = (
        read(project=project, judges=scoring, batch=batch, purpose=purpose, axes=axes, adjust=adjust)
        if scoring
        else []
    )
    tell = progress or _quiet
    steps = len(scoring) * len(judged) + len(judges) + (len(judged) if len(scoring) > 1 else 0)
    done = 0
    found: dict[Judge, tuple[AxisComparison, ...]] = {}
    for number, judge in enumerate(scoring):
        tests = _alt_tests(judged, number, setting or Setting(), interval, seed)
        compared = []
        for place, axis in enumerate(judged):
            tell(done, steps, f"{judge.name}, {axis.axis.key}")
            compared.append(
                compare_on_axis(
                    axis,
                    number,
                    alt_test=tests[place],
                    own=own,
                    baseline=baseline,
                    interval=interval,
                    rng=_stream(seed, axis),
                )
            )
            done += 1
        found[judge] = tuple(compared)
    compared_judges = []
    for judge in judges:
        tell(done, steps, judge.name)
        chance = np.random.default_rng([seed, zlib.crc32(b"verdicts on pairs")])
        verdicts = compare_pairs(
            project=project,
            judge=judge,
            batch=batch,
            purpose=purpose,
            axes=axes,
            baseline=baseline,
            margin=margin,
            adjust=adjust,
            interval=interval,
            rng=chance,
        )
        wild = wildbench(
            project=project, judge=judge, axes=axes, baseline=baseline, k=k, interval=interval, rng=chance
        )
        compared_judges.append(JudgeComparison(judge, found.get(judge, ()), verdicts, wild))
        done += 1
    between = []
    ordered = [axis for axis in judged if axis.axis.kind != Axis.Kind.NOMINAL]
    for axis in ordered if len(scoring) > 1 else ():
        tell(done, steps, axis.axis.key)
        between.append(
            compare_judges_on_axis(
                axis,
                [judge.name for judge in scoring],
                setting=setting,
                interval=interval,
                rng=_stream(seed, axis),
            )
        )
        done += 1
    tell(steps, steps, "")
    return ProjectComparison(
        project=project,
        batch=batch,
        purpose=purpose,
        interval=interval,
        seed=seed,
        computed_at=timezone.now(),
        judges=tuple(compared_judges),
        between=tuple(between),
        pairs_between=compare_pair_judges(
            [(of.judge.name, of.verdicts) for of in compared_judges],
            interval=interval,
            rng=np.random.default_rng([seed, zlib.crc32(b"judges of pairs")]),
        ),
    )


def _scores(judge: Judge) -> bool:
    """Whether there is anything to say of its scores: one that only compares pairs has none, and is not told so axis by axis."""
    runs = [run.pk for run in judge.runs]
    scored = JudgeScore.objects.filter(run__in=runs).exists()
    return scored or not JudgeVerdict.objects.filter(run__in=runs).exists()


def _alt_tests(
    judged: Sequence[JudgedAxis], judge: int, setting: Setting, interval: Interval, seed: int
) -> dict[int, AltTest]:
    """By place of the axis. False discoveries are held down over axes and annotators, apart for axes without an order,
    on which scores are equal or not, and none is nearer than another."""
    found: dict[int, AltTest] = {}
    for scoring in (Scoring.NEGATIVE_RMSE, Scoring.ACCURACY):
        places = [
            place
            for place, axis in enumerate(judged)
            if (axis.axis.kind == Axis.Kind.NOMINAL) == (scoring is Scoring.ACCURACY)
        ]
        if places:
            grids = [judged[place].grids[judge] for place in places]
            rng = np.random.default_rng(seed)
            tests = alt_tests(grids, replace(setting, scoring=scoring), interval=interval, rng=rng)
            found |= zip(places, tests, strict=True)
    return found


def _stream(seed: int, axis: JudgedAxis) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(axis.axis.key.encode())])


def _quiet(done: int, steps: int, what: str) -> None:
    pass
