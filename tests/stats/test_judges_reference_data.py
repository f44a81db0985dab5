"""Figures that SciPy gave for real judges and real people: every one of them, to four decimals."""

import csv
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from stats.estimate import Estimate, Reason, Undefined
from stats.judges.error import errors
from stats.judges.grid import Grid
from stats.judges.levels import correlations
from tests.stats.comparisons import POINT, rng, value

SHARED = Path(__file__).parents[3] / "shared" / "data"


def folder(name: str) -> Path:
    if not (SHARED / name / "reference.json").exists():
        pytest.skip(f"no {name} here (../shared/data/{name})")
    return SHARED / name


def reference(name: str) -> dict:
    return json.loads((folder(name) / "reference.json").read_text(encoding="utf-8"))


def number(text: str) -> float:
    return float(text) if text not in ("", "-") else float("nan")


def said(human, judge) -> dict[str, float]:
    """What a reference figure of correlation holds, from a list of each side."""
    grid = Grid.of(np.array(human, dtype=float)[:, None], np.array(judge, dtype=float)[:, None])
    of = correlations(grid, "none", interval=POINT, rng=rng())
    found: dict[str, float] = {"n": grid.n_items}
    for name, figure in (("pearson", of.pearson), ("spearman", of.spearman), ("kendall_b", of.kendall)):
        if isinstance(figure, Estimate):
            found[name] = round(figure.value, 4)
        else:
            assert figure == Undefined(Reason.CONSTANT, grid.n_items)
    return found


def same(found: dict[str, float], expected: dict[str, float]) -> None:
    assert found == pytest.approx(expected, abs=0.5e-4 + 1e-9)


def rows(file: str) -> list[dict[str, str]]:
    with (folder("llm-rubric") / file).open(encoding="utf-8") as text:
        return list(csv.DictReader(text, delimiter="\t"))


def judge_of_rubric(file: str) -> dict[str, dict[str, dict[str, float]]]:
    """By question: expected score, most probable answer and the one that was sampled, by dialogue."""
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows(file):
        p = np.array([float(row[f"answer{k}_prob"]) for k in (1, 2, 3, 4)])
        of = found[row["criterion"]]
        of["expected"][row["text_id"]] = float(p @ [1, 2, 3, 4] / p.sum())
        of["argmax"][row["text_id"]] = float(np.argmax(p) + 1)
        of["stored_sample"][row["text_id"]] = float(row["sample_llm"])
    return found


def test_a_judge_of_nine_questions_with_zero_as_a_score_and_as_none():
    expected = reference("llm-rubric")["real"]["judge_vs_human"]
    judge = judge_of_rubric("real_data/gpt-3.5-turbo-16k_real_evaluations_FIXED.tsv")
    people = rows("real_data/human_judges_real_convs_FIXED_ANON.tsv")
    assert set(expected) == set(judge)
    for question, by_zero in expected.items():
        assert set(by_zero) == {"zero_kept", "zero_as_missing"}
        for zero, by_score in by_zero.items():
            human = np.array([number(row[question]) for row in people])
            if zero == "zero_as_missing":
                human[human == 0] = np.nan
            for score, figures in by_score.items():
                of = judge[question][score if score != "rmse_expected" else "expected"]
                said_by_judge = np.array([of[row["text_id"]] for row in people])
                if score == "rmse_expected":
                    grid = Grid.of(human[:, None], said_by_judge[:, None], values=[0, 1, 2, 3, 4])
                    rmse = value(errors(grid, interval=POINT, rng=rng()).rmse)
                    assert rmse == pytest.approx(figures, abs=0.5e-4 + 1e-9)
                else:
                    same(said(human, said_by_judge), figures)


def test_a_judge_with_the_mean_of_several_people():
    expected = {
        question: axis["judge_expected_vs_item_mean_zero_missing"]
        for question, axis in reference("llm-rubric")["synthetic"]["axes"].items()
    }
    judge = judge_of_rubric("synth_data/gpt-3.5-turbo-16k_synth_evaluations_FIXED.tsv")
    people = rows("synth_data/human_judges_synth_all_FIXED_ANON.tsv")
    for question, figures in expected.items():
        given = defaultdict(list)
        for row in people:
            if (score := number(row[question])) > 0:
                given[row["text_id"]].append(score)
        of = judge[question]["expected"]
        same(said([np.mean(s) for s in given.values()], [of.get(i, np.nan) for i in given]), figures)


def test_published_figures_of_the_rubric():
    judge = judge_of_rubric("real_data/gpt-3.5-turbo-16k_real_evaluations_FIXED.tsv")["Q0"]
    people = rows("real_data/human_judges_real_convs_FIXED_ANON.tsv")
    human = np.array([number(row["Q0"]) for row in people])[:, None]
    for score, published in (
        ("expected", (0.177301, 0.086675, 0.065928)),
        ("argmax", (0.140091, 0.086990, 0.081134)),
    ):
        grid = Grid.of(human, np.array([judge[score][row["text_id"]] for row in people])[:, None])
        of = correlations(grid, "none", interval=POINT, rng=rng())
        assert [value(f) for f in (of.pearson, of.spearman, of.kendall)] == pytest.approx(published, abs=6e-7)


def test_automatic_figures_of_models_beside_votes_of_people():
    known = reference("wildbench-leaderboard")
    table = json.loads(
        (folder("wildbench-leaderboard") / "all_stat_wildbench.-1.json").read_text(encoding="utf-8")
    )
    assert len(table) == known["models"]

    def column(name: str) -> np.ndarray:
        return np.array([number(str(model.get(name, "-"))) for model in table.values()])

    votes = column(known["human_side"])
    assert int((~np.isnan(votes)).sum()) == known["with_elo"]
    for name, figures in known["system_level"].items():
        grid = Grid.of(votes[None], column(name)[None])  # one row: a mean of models is what it says
        of = correlations(grid, "system", interval=POINT, rng=rng())
        found = {"n": grid.n_items} | {
            key: round(value(figure), 4)
            for key, figure in (("pearson", of.pearson), ("spearman", of.spearman), ("kendall_b", of.kendall))
        }
        same(found, figures)


def test_one_who_took_part_beside_the_mean_of_three_who_read():
    expected = reference("duo-wow-ja")["axes"]
    files = sorted((folder("duo-wow-ja") / "dialogues").glob("*.json"))
    dialogues = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    for axis, known in expected.items():
        means = [
            np.mean(d["objective_evaluation"][f"{axis}_scores"]) if d.get("objective_evaluation") else np.nan
            for d in dialogues
        ]
        same(
            said(means, [d["subjective_evaluation"][axis] for d in dialogues]), known["user_vs_mean_of_three"]
        )


@pytest.mark.parametrize("name", ["llm-rubric", "wildbench-leaderboard", "duo-wow-ja"])
def test_no_correlation_of_the_reference_is_left_out(name):
    """Walks the file: whatever holds a Pearson stands at one of the places that tests above go through."""
    places = set()

    def walk(node, path):
        if isinstance(node, dict):
            if "kendall_b" in node or "pearson" in node or any(key.startswith("rmse") for key in node):
                places.add(path)
            for key, below in node.items():
                walk(below, (*path, key))

    walk(reference(name), ())
    gone_through = {
        "llm-rubric": lambda p: (
            p[:2] == ("real", "judge_vs_human")
            or (p[:2] == ("synthetic", "axes") and p[3:] == ("judge_expected_vs_item_mean_zero_missing",))
        ),
        "wildbench-leaderboard": lambda p: p[0] == "system_level",
        "duo-wow-ja": lambda p: p[0] == "axes" and p[2:] == ("user_vs_mean_of_three",),
    }[name]
    assert places
    assert {p for p in places if not gone_through(p)} == set()
