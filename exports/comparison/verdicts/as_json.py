"""Verdicts on pairs as JSON; docs/methods.md says what each key is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from exports.comparison.verdicts.between import PairsBetween
from exports.comparison.verdicts.cautions import pair_cautions
from exports.comparison.verdicts.figures import ModelRates, PairComparison, WithPeople
from exports.comparison.verdicts.wildbench import WildBench
from stats.ranking import Ranking
from stats.ranking.wildbench import Reward, Score

Plain = Callable[[Any], Any]


def pairs_as_json(
    of: PairComparison, plain: Plain, ranking: Callable[[Ranking, tuple[str, ...]], Any]
) -> dict[str, Any]:
    pairs = of.pairs
    return {
        "axis": pairs.axis,
        "n_verdicts": pairs.asked.n,
        "n_pairs": len(pairs.one_order),
        "n_complete": of.order.pairs,
        "n_one_order": int(pairs.one_order.sum()),
        "n_prompts": len(pairs.prompts),
        "n_models": len(pairs.models),
        "baseline": of.baseline or None,
        "failures": pairs.asked.failures | {"asked": pairs.asked.n, "rate": plain(of.failure_rate)},
        "order": plain(of.order),
        "models": _rates(of.models, plain),
        "against_baseline": _rates(of.against, plain),
        "bradley_terry": ranking(of.strengths, pairs.models),
        "people": [_with_people(one, pairs.models, plain) for one in of.people],
        "warnings": [{"warning": one.key, "words": str(one)} for one in pair_cautions(of)],
    }


def _rates(of: Sequence[ModelRates], plain: Plain) -> list[dict[str, Any]]:
    return [
        {
            "model": one.model,
            "wins": one.rates.wins,
            "losses": one.rates.losses,
            "ties": one.rates.ties,
            "incomplete": one.rates.failed,
            "one_order": one.one_order,
            "adjusted_win_rate": plain(one.rates.adjusted),
            "order_consistency": plain(one.rates.order_consistency),
            "shown_first": plain(one.rates.shown_first),
            **({"win_rate_of_verdicts": plain(one.of_verdicts)} if one.of_verdicts is not None else {}),
        }
        for one in of
    ]


def _with_people(of: WithPeople, models: tuple[str, ...], plain: Plain) -> dict[str, Any]:
    found = of.found
    return {
        "axis": of.axis.key,
        "rubric_versions": list(of.versions),
        "severity_adjusted": bool(of.adjusted),
        "n_pairs": found.n_pairs,
        "n_prompts": found.n_prompts,
        "n_models": found.n_models,
        "counts": plain(found.counts),
        "agreement": plain(found.agreement),
        "kappa": plain(found.kappa),
        "decided": plain(found.decided),
        "human_ties": plain(found.human_ties),
        "judge_ties": plain(found.judge_ties),
        "raters": plain(found.raters),
        "models": [
            {"model": model, "n": one.n, "human": plain(one.human), "judge": plain(one.judge)}
            for model, one in zip(models, found.models, strict=True)
            if one.n
        ],
        "system": {name: plain(getattr(found, name)) for name in ("pearson", "spearman", "kendall")},
    }


def pairs_between_as_json(of: PairsBetween, plain: Plain) -> dict[str, Any]:
    found = of.found
    return {
        "axis": of.axis,
        "first": of.first,
        "second": of.second,
        "n_pairs": found.n_pairs,
        "n_prompts": found.n_prompts,
        "counts": [
            list(column) for column in zip(*found.counts, strict=True)
        ],  # the first judge by the second
        "agreement": plain(found.agreement),
        "kappa": plain(found.kappa),
        "decided": plain(found.decided),
        "first_ties": plain(found.judge_ties),
        "second_ties": plain(found.human_ties),
    }


def wildbench_as_json(of: WildBench, plain: Plain) -> dict[str, Any]:
    return {
        "k": of.k,
        "scores": [
            {
                "axis": axis,
                "models": [
                    {"model": one.model, "published": _score(one.published, plain), "ours": _score(one.ours, plain)}
                    for one in models
                ],
            }
            for axis, models in of.scores
        ],
        "rewards": [
            {
                "axis": axis,
                "models": [
                    {
                        "model": one.model,
                        "baselines": list(one.baselines),
                        "published": _reward(one.published, one.baselines, plain),
                        "ours": _reward(one.ours, one.baselines, plain),
                    }
                    for one in models
                ],
            }
            for axis, models in of.rewards
        ],
    }  # fmt: skip


def _score(of: Score, plain: Plain) -> dict[str, Any]:
    names = ("mean", "score", "task_macro", "groups", "n_failed", "n_truncated")
    return {name: plain(getattr(of, name)) for name in names}


def _reward(of: Reward, baselines: tuple[str, ...], plain: Plain) -> dict[str, Any]:
    return {
        "reward": plain(of.reward),
        "task_macro": plain(of.task_macro),
        "by_baseline": [
            {
                "baseline": baseline,
                "reward": plain(of.by_baseline[at]),
                "task_macro": plain(of.task_macro_by_baseline[at]),
                "groups": plain(of.groups[at]),
                "counts": of.counts[at],
            }
            for at, baseline in enumerate(baselines)
        ],
        "n_truncated": of.n_truncated,
    }
