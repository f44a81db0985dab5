"""Every figure of the reference files of three real studies, from their raw files, by functions of ours alone.

What we compute is laid out as the reference is, and both must have the same entries: none is left out, and none is made
up. Figures are compared as they are given, to four decimals.
"""

import csv
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stats.agreement import MISSING, NA, Interval, Method, PatternHistogram, pair, panel
from stats.estimate import Estimate, Reason, Undefined

SHARED = Path(__file__).parents[3] / "shared" / "data"
FIVE = (1, 2, 3, 4, 5)

WORDS = {"method", "note"}
"""Entries that say how the reference was made, and hold no figure."""


def entries(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each figure of a tree, with the keys that lead to it."""
    if isinstance(tree, dict):
        for key, below in tree.items():
            yield from entries(below, (*path, str(key)))
    else:
        yield path, tree


def assert_covered(ours: dict, name: str) -> None:
    reference = json.loads((SHARED / name / "reference.json").read_text(encoding="utf-8"))
    expected = dict(entries({key: part for key, part in reference.items() if key not in WORDS}))
    found = dict(entries(ours))
    assert set(found) == set(expected)
    wrong = {
        path: (found[path], expected[path]) for path in expected if not same(found[path], expected[path])
    }
    assert wrong == {}


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, float):
        return abs(ours - theirs) <= 0.5e-4 + 1e-9
    return bool(ours == theirs)


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# Ours, named as the reference names them


def agreement(histogram: PatternHistogram, *, decimal: bool = True) -> dict[str, Any]:
    found = panel(histogram)
    counts = histogram.distribution
    n, mean = counts.sum(), counts @ histogram.values / counts.sum()
    assert found.mean == pytest.approx(mean)
    # Ours is the mean over items; the reference's share of all pairs differs where items have unequal numbers.
    equal = histogram.frequency @ (histogram.counts * (histogram.counts - 1)).sum(axis=1) / 2
    if np.unique(histogram.scores[histogram.pairable]).size == 1:
        assert isinstance(found.exact, Estimate)
        assert found.exact.value == pytest.approx(equal / histogram.n_pairs)
    return {
        **{metric: value(figure) for metric, figure in found.alpha.items()},
        "n_units": found.n_items,
        "n_pairable_units": found.n_pairable,
        "n_ratings": found.n_ratings,
        "mean": mean,
        "sd": np.sqrt(counts @ (histogram.values - mean) ** 2 / (n - 1)),
        "pairwise_exact": equal / histogram.n_pairs,
        "value_counts": {
            f"{point:.1f}" if decimal else f"{point:.0f}": int(count)
            for point, count in zip(histogram.values, counts, strict=True)
            if count
        },
    }


def value(figure: Estimate | Undefined) -> float:
    assert isinstance(figure, Estimate)
    assert figure.low is not None
    assert figure.low < figure.value < figure.high
    return figure.value


def correlations(a, b) -> dict[str, Any]:
    """Of any two lists: every value that occurs is a point of the scale that both are laid on."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    found = pair(a, b, values=np.unique(np.concatenate([a, b])), interval=Interval(Method.NONE))
    given: dict[str, Any] = {"n": found.n}
    for name, figure in [
        ("pearson", found.pearson),
        ("spearman", found.spearman),
        ("kendall_b", found.tau_b),
    ]:
        if isinstance(figure, Undefined):
            assert figure.reason is Reason.CONSTANT  # the reference has no entry
        else:
            given[name] = figure.value
    return given


# SummEval-OP

SUMMEVAL_AXES = {
    "fl": "Fluency",
    "co": "Coherence",
    "re": "Relevance",
    "fa": "Faithfulness",
    "ac": "Aspect Coverage",
    "sc": "Sentiment Consistency",
    "sp": "Specificity",
}


@pytest.mark.skipif(
    not (SHARED / "summeval-op").exists(), reason="no SummEval-OP here (../shared/data/summeval-op)"
)
def test_every_figure_of_summeval_op():
    folder = SHARED / "summeval-op"
    products = lines_of(folder / "summeval-op-detailed.jsonl")
    systems = list(lines_of(folder / "summeval-op.jsonl")[0]["summaries"])
    scores = {
        name: np.array([product[key] for product in products], float) for key, name in SUMMEVAL_AXES.items()
    }
    flat = {name: axis.reshape(-1, 3) for name, axis in scores.items()}

    def histogram(rows) -> PatternHistogram:
        return PatternHistogram.from_scores(rows, values=FIVE)

    assert_covered(
        {
            "axes": {name: agreement(histogram(rows), decimal=False) for name, rows in flat.items()},
            "pooled": agreement(histogram(np.concatenate(list(flat.values()))), decimal=False),
            "system_means": {
                system: {name: axis[:, place].mean() for name, axis in scores.items()}
                for place, system in enumerate(systems)
            },
            "rater_slot_pairs": {
                name: {
                    f"{a + 1}-{b + 1}": correlations(rows[:, a], rows[:, b])
                    for a, b in itertools.combinations(range(3), 2)
                }
                for name, rows in flat.items()
            },
        },
        "summeval-op",
    )


# DUO


@pytest.mark.skipif(not (SHARED / "duo-wow-ja").exists(), reason="no DUO here (../shared/data/duo-wow-ja)")
def test_every_figure_of_duo():
    folder = SHARED / "duo-wow-ja" / "dialogues"
    dialogues = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    rated = [dialogue for dialogue in dialogues if "objective_evaluation" in dialogue]
    axes, pooled = {}, []
    for axis in ["preference", "stylistic_similarity", "consistency", "engagingness"]:
        three = np.array([dialogue["objective_evaluation"][f"{axis}_scores"] for dialogue in rated])
        user = np.array([dialogue["subjective_evaluation"][axis] for dialogue in rated])
        users = np.array([dialogue["subjective_evaluation"][axis] for dialogue in dialogues])
        third_parties = PatternHistogram.from_scores(three, values=FIVE)
        with_user = PatternHistogram.from_scores(np.column_stack([three, user]), values=FIVE)
        pooled.append(third_parties)
        axes[axis] = {
            "three_raters": agreement(third_parties),
            "three_raters_plus_user": agreement(with_user),
            "item_mean_of_three": {
                "mean": three.mean(axis=1).mean(),
                "sd_ddof1": three.mean(axis=1).std(ddof=1),
            },
            "user_rating_all_dialogues": {
                "n": users.size,
                "mean": users.mean(),
                "sd_ddof1": users.std(ddof=1),
            },
            "user_vs_mean_of_three": correlations(user, three.sum(axis=1) / 3),
        }
    whole = pooled[0] + pooled[1] + pooled[2] + pooled[3]
    assert_covered(
        {
            "dialogues": len(dialogues),
            "with_three_raters": len(rated),
            "models": Counter(dialogue["model"] for dialogue in dialogues),
            "prompts": Counter(dialogue["prompt"] for dialogue in dialogues),
            "axes": axes,
            "pooled_three_raters": agreement(whole),
        },
        "duo-wow-ja",
    )


# LLM-Rubric: 0 is "not applicable", and the reference counts it both ways

QUESTIONS = tuple(f"Q{n}" for n in range(9))


def rows_of(name: str) -> list[dict[str, str]]:
    with (SHARED / "llm-rubric" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def judged(name: str) -> dict[str, dict[str, dict[str, float]]]:
    """Of each question and text: the judge's expected score, likeliest score, and one that was drawn."""
    found: dict[str, dict[str, dict[str, float]]] = {question: {} for question in QUESTIONS}
    for row in rows_of(name):
        weights = np.array([float(row[f"answer{point}_prob"]) for point in range(1, 5)])
        found[row["criterion"]][row["text_id"]] = {
            "expected": float(weights @ np.arange(1, 5) / weights.sum()),
            "argmax": float(weights.argmax() + 1),
            "stored_sample": float(row["sample_llm"]),
        }
    return found


def beside_the_judge(human: dict[str, float], judge: dict[str, dict[str, float]]) -> dict[str, Any]:
    said = np.array(list(human.values()))
    compared = {
        kind: np.array([judge[text][kind] for text in human])
        for kind in ["expected", "argmax", "stored_sample"]
    }
    return {
        **{kind: correlations(scores, said) for kind, scores in compared.items()},
        "rmse_expected": np.sqrt(np.mean((compared["expected"] - said) ** 2)),
    }


def synthetic_axis(
    rows: list[dict[str, str]], question: str, judge: dict[str, dict[str, float]]
) -> dict[str, Any]:
    item = np.unique([row["text_id"] for row in rows], return_inverse=True)[1]
    given = np.array([float(row[question] or "nan") for row in rows])
    empty = np.isnan(given)
    as_score = np.where(empty, MISSING, np.nan_to_num(given) + 1).astype(int)
    as_na = np.where(empty, MISSING, np.where(given == 0, NA, np.nan_to_num(given))).astype(int)
    kept = PatternHistogram.from_ratings(values=(0, 1, 2, 3, 4), item=item, rank=as_score)
    missing = PatternHistogram.from_ratings(values=(1, 2, 3, 4), item=item, rank=as_na)
    assert missing.n_na == np.count_nonzero(given == 0)

    scores: dict[str, list[float]] = {}
    for row, score in zip(rows, given, strict=True):
        if score > 0:
            scores.setdefault(row["text_id"], []).append(score)
    both = [text for text in scores if text in judge]
    return {
        "zero_kept": agreement(kept),
        "zero_as_missing": agreement(missing),
        "judge_expected_vs_item_mean_zero_missing": correlations(
            [judge[text]["expected"] for text in both], [np.mean(scores[text]) for text in both]
        ),
    }


@pytest.mark.skipif(
    not (SHARED / "llm-rubric").exists(), reason="no LLM-Rubric here (../shared/data/llm-rubric)"
)
def test_every_figure_of_llm_rubric():
    real = rows_of("real_data/human_judges_real_convs_FIXED_ANON.tsv")
    judge = judged("real_data/gpt-3.5-turbo-16k_real_evaluations_FIXED.tsv")
    beside: dict[str, dict[str, Any]] = {}
    for question in QUESTIONS:
        human = {row["text_id"]: float(row[question]) for row in real}
        scored = {text: score for text, score in human.items() if score != 0}
        beside[question] = {
            "zero_kept": beside_the_judge(human, judge[question]),
            "zero_as_missing": beside_the_judge(scored, judge[question]),
        }
    per_text = Counter(Counter(row["text_id"] for row in real).values())

    rows = rows_of("synth_data/human_judges_synth_all_FIXED_ANON.tsv")
    judge = judged("synth_data/gpt-3.5-turbo-16k_synth_evaluations_FIXED.tsv")
    seats = Counter((row["text_id"], row["annotator_id"]) for row in rows)
    assert_covered(
        {
            "real": {
                "items": len({row["text_id"] for row in real}),
                "raters": len({row["annotator_id"] for row in real}),
                "ratings_per_item": next(iter(per_text)),
                "judge_vs_human": beside,
            },
            "synthetic": {
                "rows": len(rows),
                "items": len({row["text_id"] for row in rows}),
                "raters": len({row["annotator_id"] for row in rows}),
                "ratings_per_item": Counter(Counter(row["text_id"] for row in rows).values()),
                "repeated_item_rater_pairs": sum(n > 1 for n in seats.values()),
                "missing_cells": {question: sum(not row[question] for row in rows) for question in QUESTIONS},
                "axes": {question: synthetic_axis(rows, question, judge[question]) for question in QUESTIONS},
            },
        },
        "llm-rubric",
    )
