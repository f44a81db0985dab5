"""A comparison as JSON; docs/methods.md says what each key is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from annotation.agreement.report import figure_as_json
from exports.comparison.axis import AxisComparison
from exports.comparison.between import LEVEL_KEYS, AxisBetween
from exports.comparison.cautions import cautions
from exports.comparison.project import JudgeComparison, ProjectComparison
from exports.comparison.verdicts.as_json import pairs_as_json, pairs_between_as_json, wildbench_as_json
from stats.estimate import Estimate, Undefined
from stats.judges.alt_test import AltTest
from stats.judges.levels import Level
from stats.judges.separability import Separability
from stats.ranking import Ranking


def as_json(found: ProjectComparison) -> dict[str, Any]:
    """One judge stands by itself: {"judge", "axes"}; several are a list under "judges", with "comparisons" beside it."""
    head = {
        "project": found.project.slug,
        "batch": found.batch.name if found.batch else None,
        "purpose": found.purpose,
        "computed_at": found.computed_at.isoformat(),
        "level": found.interval.level,
        "replicates": found.interval.replicates,
        "seed": found.seed,
    }
    if len(found.judges) == 1:
        return head | _judge(found.judges[0])
    return (
        head
        | {"judges": [_judge(judge) for judge in found.judges]}
        | {"comparisons": [_between(axis) for axis in found.between]}
        | {"verdict_comparisons": [pairs_between_as_json(one, plain) for one in found.pairs_between]}
    )


def _judge(of: JudgeComparison) -> dict[str, Any]:
    return {
        "judge": of.judge.name,
        "runs": [
            {
                "run": str(run),
                "prompt": run.prompt,
                "prompt_sha256": run.prompt_sha256,
                "version": run.version,
            }
            for run in of.judge.runs
        ],
        "axes": [_axis(axis) for axis in of.axes],
        "verdicts": [pairs_as_json(one, plain, _ranking) for one in of.verdicts],
        "wildbench": None if of.wildbench is None else wildbench_as_json(of.wildbench, plain),
    }


def _axis(of: AxisComparison) -> dict[str, Any]:
    judged, panel, off = of.judged, of.panel, of.panel.error
    models = judged.models
    return {
        "axis": judged.axis.key,
        "kind": judged.axis.kind,
        "rubric_versions": list(judged.versions),
        "n_items": panel.n_items,
        "n_prompts": panel.n_prompts,
        "n_models": panel.n_models,
        "n_ratings": judged.n_ratings,
        "n_na": judged.n_na,
        "severity_adjusted": bool(judged.adjusted),
        "n_judge_scores": of.asked.n,
        "repeats": of.repeats,
        "failures": of.asked.failures | {"asked": of.asked.n, "rate": plain(of.failure_rate)},
        "models": [
            {"model": mean.model, "n": mean.n, "human": plain(mean.human), "judge": plain(mean.judge)}
            for mean in of.means
        ],
        **{key: _level(of, level) for level, key in LEVEL_KEYS.items()},
        "pairwise_accuracy": plain(panel.pairwise_accuracy),
        "pairwise_difference": plain(panel.pairwise_difference),
        "spa": plain(panel.spa),
        "acc_eq": plain(panel.ties.acc_eq) | _but(panel.ties, "acc_eq"),
        "bias": plain(off.bias),
        "bias_per_model": {
            model: plain(figure) for model, figure in zip(models, off.bias_per_model, strict=True)
        },
        "bias_per_bin": plain(off.bias_per_bin),
        "mae": plain(off.mae),
        "rmse": plain(off.rmse),
        "calibration": {
            "intercept": plain(off.intercept),
            "slope": plain(off.slope),
            "concordance": plain(off.concordance),
            "isotonic": plain(panel.isotonic),
        },
        "confusion": plain(panel.confusion),
        "qwk": plain(panel.kappa.headline),
        "qwk_of": "raters" if panel.kappa.raters else "ratings",
        "qwk_variants": plain(panel.kappa),
        "ceiling": _ceiling(of),
        "alt_test": _alt_test(of.alt_test, judged.raters),
        **_separability(of.separability),
        "bradley_terry": {
            "human": _ranking(of.human_strengths, models),
            "judge": _ranking(of.judge_strengths, models),
        },
        "length_bias": plain(of.length),
        "style_bias": plain(of.style),
        "own_family": None if of.own_family is None else {"models": list(of.own)} | plain(of.own_family),
        "ppi": [{"model": model} | plain(one) for model, one in zip(models, of.ppi, strict=True)],
        "win_rates": plain(of.win_rates),
        "warnings": [{"warning": one.key, "words": str(one)} for one in cautions(of)],
    }


def _level(of: AxisComparison, level: Level) -> dict[str, Any]:
    """Correlations and pair accuracy of one level together."""
    return {**plain(of.panel.correlations[level]), **_but(of.panel.pairs[level], "level")}


def _ceiling(of: AxisComparison) -> dict[str, Any]:
    names = of.judged.raters
    raters = [plain(one) | {"rater": names[one.rater]} for one in of.panel.ceiling.raters]
    return {**plain(of.panel.ceiling), "raters": raters}


def _alt_test(of: AltTest, raters: tuple[str, ...]) -> dict[str, Any]:
    """The curve is a row of numbers: winning rates are counts of verdicts and have no interval."""
    curve = [
        {
            "epsilon": point.epsilon,
            "winning_rate": point.winning_rate.value if isinstance(point.winning_rate, Estimate) else None,
        }
        for point in of.curve
    ]
    annotators = [plain(one) | {"rater": raters[one.rater]} for one in of.annotators]
    return {
        "epsilon": of.setting.epsilon,
        "scoring": str(of.setting.scoring),
        "q": of.setting.q,
        "min_items": of.setting.min_items,
        "few": str(of.setting.few),
        "winning_rate": plain(of.winning_rate),
        "advantage": plain(of.advantage),
        "passed": of.passed,
        "curve": curve,
        "annotators": annotators,
        "left_out": of.left_out,
        "shared_by_two": of.shared_by_two,
    }


def _separability(of: Separability) -> dict[str, Any]:
    return {
        "separability": {
            "level": of.level,
            "pairs": of.pairs,
            "left_out": of.left_out,
            "human": plain(of.human),
            "judge": plain(of.judge),
            "human_paired": plain(of.human_paired),
            "judge_paired": plain(of.judge_paired),
        },
        "agreement_with_confidence": {
            "headline": "B",
            "A": plain(of.agreement_a),
            "B": plain(of.agreement),
            "C": plain(of.agreement_c),
            "B_paired": plain(of.agreement_paired),
        },
        "brier": plain(of.brier),
        "brier_soft": plain(of.brier_soft),
    }


def _ranking(of: Ranking, models: tuple[str, ...]) -> dict[str, Any]:
    return {
        "variant": of.variant,
        "strengths": {model: plain(one) for model, one in zip(models, of.strengths, strict=True)},
        "groups": [[models[m] for m in group] for group in of.groups],
        "n_battles": of.n_battles,
        "separated_replicates": of.separated_replicates,
    }


def _between(of: AxisBetween) -> dict[str, Any]:
    return {
        "axis": of.axis,
        "n_items": of.n_items,
        "n_prompts": of.n_prompts,
        "q": of.comparison.q,
        "differences": plain(of.comparison.differences),
        "top": plain(of.comparison.top),
        "perm_both": [
            {"first": pair.first, "second": pair.second, "level": LEVEL_KEYS[level]} | plain(test)
            for pair in of.pairs
            for level, test in pair.perm_both.items()
        ],
        "williams": [
            {"first": pair.first, "second": pair.second} | plain(pair.williams) for pair in of.pairs
        ],
    }


def _but(value: Any, *names: str) -> dict[str, Any]:
    return {name: part for name, part in plain(value).items() if name not in names}


def plain(value: Any) -> Any:
    """What `stats` gives as JSON has it: figures as everywhere, records as objects, no infinite number."""
    if isinstance(value, Estimate | Undefined):
        return figure_as_json(value)
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(name)): plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
