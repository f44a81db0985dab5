"""SummEval-OP: one of its three raters as a judge beside the other two, at every level, against SciPy.

32 products × 13 systems, complete: what is pooled, per product, per system and of the systems' means are four
different figures here.
"""

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command
from scipy import stats as scipy_stats

from projects.loading import load
from tests.factories import create_project
from tests.real.test_summeval import AXES, DATA

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason="no SummEval-OP here (../shared/data/summeval-op)"),
]

CHOSEN = ("co", "ac")


@pytest.fixture(scope="module")
def scores() -> np.ndarray:
    """(axes, products, systems, raters)"""
    lines = (DATA / "summeval-op-detailed.jsonl").read_text(encoding="utf-8").splitlines()
    products = [json.loads(line) for line in lines]
    return np.array([[product[axis] for product in products] for axis in CHOSEN])


def rows(scores: np.ndarray):
    axes, products, systems, _raters = scores.shape
    for p in range(products):
        answers = {f"s{s:02}": "A summary." for s in range(systems)}
        yield {"prompt_id": f"p{p:02}", "turns": ["Reviews."], "responses": answers}
    for a, p, s in np.ndindex(axes, products, systems):
        item = {"prompt_id": f"p{p:02}", "model": f"s{s:02}", "axis": AXES[CHOSEN[a]]}
        yield item | {"judge": "third rater", "score": int(scores[a, p, s, 2])}
        for rater in range(2):
            yield item | {"rater": f"r{rater}", "score": int(scores[a, p, s, rater])}


def test_correlations_at_four_levels_are_scipys(scores, tmp_path):
    project = create_project(slug="summeval", axes=[AXES[axis] for axis in CHOSEN])
    path = Path(tmp_path / "summeval.jsonl")
    path.write_text("\n".join(json.dumps(row) for row in rows(scores)), encoding="utf-8")
    report = load(project=project, files=[path])
    assert report.created["judge_scores"] == 2 * 32 * 13
    assert report.created["ratings"] == 2 * report.created["judge_scores"]

    out = StringIO()
    call_command("compare", "summeval", judge=["third rater"], json=True, replicates=100, stdout=out)
    found = {axis["axis"]: axis for axis in json.loads(out.getvalue())["axes"]}

    for place, key in enumerate(CHOSEN):
        axis = found[AXES[key]]
        human, judge = scores[place, :, :, :2].mean(axis=2), scores[place, :, :, 2].astype(float)
        for name, of in [
            ("pearson", scipy_stats.pearsonr),
            ("spearman", scipy_stats.spearmanr),
            ("kendall", scipy_stats.kendalltau),
        ]:
            levels = {
                "pooled": [(human.ravel(), judge.ravel())],
                "item": list(zip(human, judge, strict=True)),
                "sys": list(zip(human.T, judge.T, strict=True)),
                "system": [(human.mean(axis=0), judge.mean(axis=0))],
            }
            for level, groups in levels.items():
                each = [of(x, y).statistic for x, y in groups if np.ptp(x) > 0 and np.ptp(y) > 0]
                assert axis[level]["groups"] == len(each)
                assert axis[level]["dropped"] == len(groups) - len(each)
                assert axis[level][name]["value"] == pytest.approx(np.mean(each)), (key, level, name)
        assert axis["bias"]["value"] == pytest.approx((judge - human).mean())
        assert axis["ceiling"]["rest"]["people"]["value"] is not None
        assert axis["separability"]["pairs"] == 78
