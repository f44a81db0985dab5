"""`manage.py compare`: judges beside people, as JSON, as text and as a picture."""

import json
import re
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from annotation.terminal import width
from exports.models import JudgeRun, JudgeScore
from projects.loading import load
from projects.models import Axis
from tests.factories import (
    create_model,
    create_project,
    create_prompt,
    create_response,
)

pytestmark = pytest.mark.django_db

MODELS = ("m1", "m2", "m3")
QUICK = {"replicates": 200}


def compared(*judges: str, project="study", **options) -> dict:
    out = StringIO()
    call_command("compare", project, judge=list(judges), json=True, stdout=out, **QUICK | options)
    return json.loads(out.getvalue(), parse_constant=lambda constant: pytest.fail(f"{constant} in JSON"))


def said(*judges: str, **options) -> str:
    out = StringIO()
    call_command("compare", "study", judge=list(judges), stdout=out, **QUICK | options)
    return out.getvalue()


def refused(*judges: str, project="study", **options) -> str:
    with pytest.raises(CommandError) as error:
        call_command("compare", project, judge=list(judges), **QUICK | options)
    return str(error.value)


class Study:
    """A project of P prompts and M models with two raters for each response; `human` and `judge` are (P, M)."""

    def __init__(self, prompts: int = 12, models=MODELS, seed: int = 0, axes=("fluency",), **fields) -> None:
        rng = np.random.default_rng(seed)
        self.axes = axes
        self.project = create_project(slug="study", axes=axes, **fields)
        made = [create_model(self.project, name) for name in models]
        self.prompts = [create_prompt(self.project, key=f"p{n:02}") for n in range(prompts)]
        self.items = np.array(
            [
                [
                    create_response(
                        self.project, prompt=prompt, model=model, turns=["あ" * (5 + n + 3 * m)]
                    ).items.get()
                    for m, model in enumerate(made)
                ]
                for n, prompt in enumerate(self.prompts)
            ],
            dtype=object,
        ).reshape(prompts, len(models))
        quality = rng.normal(3 + np.arange(len(models)) * 0.5, 0.8, self.items.shape)
        self.ratings = np.clip(np.rint(quality[:, :, None] + rng.normal(0, 0.5, (*quality.shape, 2))), 1, 5)
        self.judge = np.clip(np.rint(quality + rng.normal(0.3, 0.6, quality.shape)), 1, 5)

    def rate(self, *, kind="person", purpose="main", name="batch") -> None:
        rows = [
            {"prompt_id": item.prompt.key, "model": item.response.model.name, "rater": f"{kind}-{name}-{r}", "axis": axis,
             "score": float(score), "purpose": purpose, "batch": name, "rater_kind": kind}
            for (p, m), item in np.ndenumerate(self.items)
            for r, score in enumerate(self.ratings[p, m])
            for axis in self.axes
        ]  # fmt: skip
        with TemporaryDirectory() as folder:
            path = Path(folder) / "ratings.jsonl"
            path.write_text("\n".join(json.dumps(row) for row in rows))
            load(project=self.project, files=[path])

    def run(self, name="gpt", scores=None, **fields) -> JudgeRun:
        run = JudgeRun.objects.create(project=self.project, name=name, **fields)
        axis = Axis.objects.get(rubric__project=self.project, key="fluency")
        given = self.judge if scores is None else scores
        JudgeScore.objects.bulk_create(
            JudgeScore(run=run, item=item, axis=axis, value=given[place])
            for place, item in np.ndenumerate(self.items)
            if not np.isnan(given[place])
        )
        return run


@pytest.fixture
def study() -> Study:
    study = Study()
    study.rate()
    return study


# Figures


def test_the_figures_are_those_of_the_scores_in_the_database(study):
    study.run()
    human = study.ratings.mean(axis=2)

    found = compared("gpt")

    (axis,) = found["axes"]
    assert (found["project"], found["judge"], axis["axis"]) == ("study", "gpt", "fluency")
    assert (axis["n_items"], axis["n_prompts"], axis["n_models"], axis["n_ratings"]) == (36, 12, 3, 72)
    off = study.judge - human
    for key, expected in [
        ("bias", off.mean()),
        ("mae", np.abs(off).mean()),
        ("rmse", np.sqrt((off**2).mean())),
    ]:
        assert axis[key]["value"] == pytest.approx(expected)
        assert axis[key]["low"] < expected < axis[key]["high"]
    pooled = np.corrcoef(human.ravel(), study.judge.ravel())[0, 1]
    assert axis["pooled"]["pearson"]["value"] == pytest.approx(pooled)
    system = np.corrcoef(human.mean(axis=0), study.judge.mean(axis=0))[0, 1]
    assert axis["system"]["pearson"]["value"] == pytest.approx(system)
    assert axis["item"]["groups"] + axis["item"]["dropped"] == 12
    assert {(m["model"], m["n"], round(m["judge"]["value"], 6)) for m in axis["models"]} == {
        (name, 12, round(mean, 6)) for name, mean in zip(MODELS, study.judge.mean(axis=0), strict=True)
    }


def test_the_json_has_the_keys_that_scripts_rely_on(study):
    study.run()

    (axis,) = compared("gpt")["axes"]

    figure = {"value", "low", "high"}
    for level in ("item", "system", "sys", "pooled"):
        for name in ("pearson", "spearman", "kendall"):
            assert figure <= axis[level][name].keys() or "reason" in axis[level][name]
    for name in ("bias", "mae", "rmse", "qwk", "spa", "acc_eq", "pairwise_difference", "brier"):
        assert figure <= axis[name].keys()
    assert set(axis["failures"]) == {"api_error", "unparsed", "refused", "asked", "rate"}
    assert len(axis["alt_test"]["curve"]) == 31
    assert axis["agreement_with_confidence"]["headline"] == "B"
    assert set(axis["bradley_terry"]["human"]["strengths"]) == set(MODELS)
    assert np.sum(axis["confusion"]["counts"]) == 72
    assert axis["own_family"] is None
    for name in ("ceiling", "separability", "calibration", "length_bias", "style_bias", "ppi", "warnings"):
        assert axis[name]


def test_every_key_of_an_axis_is_documented(study, base_dir):
    study.run()
    documented = set(re.findall(r"[\w-]+", (base_dir / "docs" / "methods.md").read_text(encoding="utf-8")))

    (axis,) = compared("gpt")["axes"]

    assert set(axis) <= documented


def test_the_same_seed_gives_the_same_report_whatever_else_is_asked(study):
    study.run()
    study.run("claude", study.judge[::-1])

    alone, together = compared("gpt")["axes"], compared("claude", "gpt")["judges"][1]["axes"]

    assert alone == together
    assert compared("gpt", seed=2)["axes"] != alone


def test_repeats_are_averaged_and_counted(study):
    run = study.run()
    JudgeScore.objects.bulk_create(
        JudgeScore(run=run, item=score.item, axis=score.axis, repeat=7, value=6 - score.value)
        for score in list(run.scores.all())
    )

    (axis,) = compared("gpt")["axes"]

    assert axis["repeats"] == 2
    assert axis["n_judge_scores"] == 72
    assert {model["judge"]["value"] for model in axis["models"]} == {3.0}
    assert axis["pooled"]["pearson"] == {"value": None, "reason": "constant", "n": 36}


def test_failures_stand_beside_the_figures(study):
    scores = study.judge.copy()
    scores[0, 0] = scores[1, :] = np.nan
    run = study.run(scores=scores)
    axis = Axis.objects.get()
    for place, failure in [((0, 0), "api_error"), ((1, 0), "refused"), ((1, 1), "refused")]:
        JudgeScore.objects.create(run=run, item=study.items[place], axis=axis, failure=failure)

    (axis,) = compared("gpt")["axes"]

    assert axis["n_items"] == 32
    assert {k: axis["failures"][k] for k in ("api_error", "unparsed", "refused", "asked")} == {
        "api_error": 1, "unparsed": 0, "refused": 2, "asked": 35,
    }  # fmt: skip
    assert axis["failures"]["rate"]["value"] == pytest.approx(3 / 35)
    assert "many_failures" in {one["warning"] for one in axis["warnings"]}


def test_only_independent_ratings_of_the_design_count(study):
    study.run()
    before = compared("gpt")["axes"]
    study.ratings[:] = 1
    study.rate(purpose="extra", name="extra")

    assert compared("gpt")["axes"] == before


def test_a_batch_and_an_axis_can_be_chosen():
    study = Study(axes=("fluency", "accuracy"))
    study.rate()
    study.run()
    study.ratings = study.ratings[::-1]
    study.rate(name="second")

    for batch, n in [("second", 72), (None, 144)]:
        (axis,) = compared("gpt", axis=["fluency"], batch=batch)["axes"]
        assert axis["n_ratings"] == n
    (axis,) = compared("gpt", axis=["accuracy"])["axes"]
    assert (axis["axis"], axis["n_items"], axis["n_ratings"]) == ("accuracy", 0, 144)


def test_what_a_loaded_file_says_is_what_is_compared(study, tmp_path):
    rows = ["prompt_id,model,judge,axis,score"] + [
        f"p{p:02},{MODELS[m]},loaded,fluency,{study.judge[p, m]}" for p, m in np.ndindex(study.judge.shape)
    ]
    (tmp_path / "judged.csv").write_text("\n".join(rows))
    load(project=study.project, files=[tmp_path / "judged.csv"])
    study.run()

    assert compared("loaded")["axes"] == compared("gpt")["axes"]


def test_own_family_and_baseline_are_answered_when_asked(study):
    study.run()

    (axis,) = compared("gpt", own_family=["m3"], baseline="m1")["axes"]

    assert axis["own_family"]["models"] == ["m3"]
    assert axis["own_family"]["judge"]["value"] is not None
    assert [one["model"] for one in axis["win_rates"]] == ["m2", "m3"]


def test_a_project_where_nobody_scored_anything_has_no_axis_to_speak_of():
    study = Study()
    JudgeRun.objects.create(project=study.project, name="gpt")

    assert compared("gpt")["axes"] == []
    assert "Neither people nor this judge scored anything here." in said("gpt")


# Odd data: reasons, not exceptions


def test_a_judge_that_shares_nothing_with_people_gets_reasons():
    study = Study()
    study.run()

    (axis,) = compared("gpt")["axes"]

    assert axis["n_items"] == 0
    for figure in [axis["pooled"]["pearson"], axis["bias"], axis["spa"], axis["qwk"]]:
        assert (figure["value"], figure["reason"]) in [(None, "nothing_shared"), (None, "no_data")]
    assert axis["warnings"][0]["warning"] == "nothing_shared"
    assert "nothing to compare" in said("gpt")


def test_an_axis_that_only_people_scored_has_reasons_too(study):
    JudgeRun.objects.create(project=study.project, name="gpt")

    (axis,) = compared("gpt")["axes"]

    assert (axis["n_items"], axis["failures"]["asked"]) == (0, 0)
    assert axis["failures"]["rate"]["value"] is None
    assert said("gpt")


@pytest.mark.parametrize(("prompts", "models"), [(1, MODELS), (6, ("m1",)), (1, ("m1",))])
def test_one_prompt_or_one_model_is_no_reason_to_stop(prompts, models, tmp_path):
    study = Study(prompts=prompts, models=models)
    study.rate()
    study.run()

    (axis,) = compared("gpt")["axes"]

    assert axis["bias"]["value"] is not None
    assert axis["system"]["pearson"]["value"] is None or len(models) > 1
    assert said("gpt", plot=tmp_path / "plot.json")


def test_a_judge_that_says_always_the_same_has_no_correlation(study):
    study.run(scores=np.full(study.judge.shape, 4.0))

    (axis,) = compared("gpt")["axes"]

    assert axis["item"]["pearson"]["reason"] == "constant"
    assert axis["item"]["dropped"] == 12
    assert axis["mae"]["value"] > 0


def test_positions_in_a_list_are_no_persons():
    study = Study()
    study.rate(kind="position")
    study.run()

    (axis,) = compared("gpt")["axes"]

    assert axis["alt_test"]["winning_rate"]["reason"] == "anonymous"
    assert axis["ceiling"]["rest"]["people"]["reason"] == "anonymous"
    assert axis["bias"]["value"] is not None
    assert "anonymous_raters" in {one["warning"] for one in axis["warnings"]}
    (axis,) = compared("gpt", adjust_severity=True)["axes"]
    assert axis["severity_adjusted"] is False
    assert axis["warnings"][0]["warning"] == "not_adjusted"


def test_points_without_an_order_have_a_confusion_table_and_no_correlation():
    study = Study(kind="nominal")
    study.rate()
    study.run()

    (axis,) = compared("gpt", min_items=5)["axes"]

    for figure in (axis["pooled"]["pearson"], axis["bias"], axis["spa"], axis["models"][0]["judge"]):
        assert (figure["value"], figure["reason"]) == (None, "not_ordered")
    assert np.sum(axis["confusion"]["counts"]) == 72
    assert axis["alt_test"]["scoring"] == "accuracy"
    assert axis["alt_test"]["advantage"]["value"] is not None
    assert axis["failures"]["rate"]["value"] == 0
    assert said("gpt", language="ja")
    study.run("claude")
    assert compared("gpt", "claude")["comparisons"] == []


# Several judges


def test_judges_are_compared_on_what_all_of_them_scored(study):
    study.run()
    worse = np.random.default_rng(1).permuted(study.judge)
    worse[0, 0] = np.nan
    study.run("random", worse)

    found = compared("gpt", "random", replicates=1000)

    assert [judge["judge"] for judge in found["judges"]] == ["gpt", "random"]
    (axis,) = found["comparisons"]
    assert axis["n_items"] == 35
    pooled = next(one for one in axis["differences"] if one["figure"] == "pooled.pearson")
    assert pooled["difference"]["low"] > 0
    assert axis["top"]["pooled.pearson"] == ["gpt"]
    assert {one["level"] for one in axis["perm_both"]} == {"pooled", "item", "system"}
    assert axis["williams"][0]["p"] < 0.05
    text = said("gpt", "random")
    assert "gpt less random" in text
    assert "Williams, first better (finds too much): p < 0.001" in text


def test_the_same_judge_named_twice_is_one(study):
    study.run()

    assert compared("gpt", "gpt")["judge"] == "gpt"


def test_prompts_of_one_judge_that_overlap_must_be_told_apart(study):
    one = study.run(prompt="v1", prompt_sha256="a" * 64)
    study.run(prompt="v2", prompt_sha256="b" * 64, scores=6 - study.judge)

    assert refused("gpt") == (
        "“gpt” judged the same responses with several prompts; name one of “gpt@aaaaaaaa”, “gpt@bbbbbbbb”."
    )
    assert compared("gpt@v1")["runs"][0]["run"] == str(one)
    assert compared(str(one))["axes"] == compared("gpt@v1")["axes"]


def test_prompts_of_one_judge_that_share_nothing_are_one_judge(study):
    first, second = study.judge.copy(), study.judge.copy()
    first[6:], second[:6] = np.nan, np.nan
    study.run(prompt="v1", prompt_sha256="a" * 64, scores=first)
    study.run(prompt="v2", prompt_sha256="b" * 64, scores=second)

    found = compared("gpt")

    assert len(found["runs"]) == 2
    assert found["axes"][0]["n_items"] == 36


# What is refused


def test_unknown_names_are_told_with_those_that_there_are(study):
    assert (
        refused("gpt")
        == "There is no judge “gpt”; “study” has no judge scores yet: load them first (docs/formats.md)."
    )
    study.run()
    study.run("claude")

    assert refused("gpt-5") == "There is no judge “gpt-5”; “study” has “claude”, “gpt”."
    assert refused() == "Name a judge with --judge; “study” has “claude”, “gpt”."
    assert refused("gpt", project="other") == "There is no project “other”. Projects: study."
    assert refused("gpt", batch="B") == "“study” has no batch “B”; it has “batch”."
    assert refused("gpt", axis=["beauty"]) == "“study” has no axis “beauty”; it has fluency."
    assert refused("gpt", baseline="m9") == "“study” has no model “m9”; it has m1, m2, m3."


def test_options_that_make_no_sense_are_refused(study, tmp_path):
    study.run()

    assert refused("gpt", seed=-1) == "A seed is 0 or more."
    assert refused("gpt", replicates=9) == "--replicates: 100 or more."
    assert refused("gpt", level=2.0).startswith("--level: ")
    assert refused("gpt", epsilon=1.5).startswith("--epsilon")
    assert "ends in one of" in refused("gpt", plot=tmp_path / "plot.pdf")
    assert "there is no folder" in refused("gpt", plot=tmp_path / "none" / "plot.svg")


# Text and picture


def test_the_text_has_a_line_for_each_figure_with_its_interval_and_n(study):
    study.run()

    text = said("gpt", own_family=["m1"], baseline="m1")

    lines = text.splitlines()
    assert lines[0] == "Judges beside people in study, all batches"
    assert "Judge gpt" in lines
    assert any(
        line.startswith("    Pearson, across models, per prompt ") and "n = 36" in line for line in lines
    )
    assert any("! Few models (3)" in line for line in lines)
    figures = [line for line in lines if "  n = " in line]
    assert len(figures) > 60
    assert len({line.index("  n = ") for line in figures}) == 1
    assert "Own family: m1" in text
    assert "Win rates against m1" in text
    assert lines[-3] == "95 % intervals over prompts, 200 resamples; seed 1."


def test_the_text_speaks_japanese_and_stays_in_columns(study):
    study.run()

    text = said("gpt", language="ja")

    assert "人との相関" in text
    figures = [line for line in text.splitlines() if "  n = " in line]
    assert len({width(line[: line.index("  n = ")]) for line in figures}) == 1


@pytest.mark.parametrize("kind", ["svg", "png", "html", "json"])
def test_a_picture_is_written_as_its_name_says(study, tmp_path, kind):
    study.run()
    path = tmp_path / f"plot.{kind}"

    said("gpt", plot=path)

    content = path.read_bytes()
    begins = {"svg": b"<svg", "png": b"\x89PNG", "html": b"<!doctype html>", "json": b"{"}[kind]
    assert content.lstrip().lower().startswith(begins.lower())
    if kind == "json":
        assert "gpt" in content.decode()
    if kind == "svg":
        assert "m1" in content.decode()
    if kind == "html":
        assert b"cdn." not in content


def test_the_picture_has_people_and_every_judge(study, tmp_path):
    study.run()
    study.run("claude")
    said("gpt", "claude", plot=tmp_path / "plot.json", wilcoxon=True, min_items=40)
    spec = json.loads(Path(tmp_path / "plot.json").read_text(encoding="utf-8"))

    data = [row for rows in spec["datasets"].values() for row in rows] if "datasets" in spec else []
    data += _inline(spec)
    assert {row["who"] for row in data if "mean" in row} == {"people", "gpt", "claude"}
    assert {row["epsilon"] for row in data if row.get("who") == "gpt" and "epsilon" in row} >= {
        0.0,
        0.15,
        0.3,
    }


def _inline(part) -> list[dict]:
    found = []
    if isinstance(part, dict):
        values = part.get("data", {}).get("values") if isinstance(part.get("data"), dict) else None
        found += values or []
        for one in part.values():
            found += _inline(one)
    elif isinstance(part, list):
        for one in part:
            found += _inline(one)
    return found
