"""`manage.py compare` on judges that gave verdicts on pairs: rates, order, people's preferences, WildBench."""

import json
from io import StringIO
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from exports.comparison.verdicts.reading import read_pairs
from exports.models import JudgeRun, JudgeScore, JudgeVerdict
from projects.loading import load
from projects.models import Axis, Item, Response
from tests.factories import create_model, create_project, create_prompt, create_response

pytestmark = pytest.mark.django_db

MODELS = ("base", "m1", "m2")
ALL_PAIRS = tuple(combinations(range(3), 2))
QUICK = {"replicates": 200}
REWARD = json.dumps({"preset": "wildbench-reward", "mode": "json"})


def said(*judges: str, **options) -> str:
    out = StringIO()
    call_command("compare", "study", judge=list(judges), stdout=out, **QUICK | options)
    return out.getvalue()


def compared(*judges: str, **options) -> dict:
    refuse = {"parse_constant": lambda constant: pytest.fail(f"{constant} in JSON")}
    return json.loads(said(*judges, json=True, **options), **refuse)


def refused(*judges: str, **options) -> str:
    with pytest.raises(CommandError) as error:
        said(*judges, **options)
    return str(error.value)


class Study:
    """P prompts, each answered by three models in one turn, every response rated by the same two people on two axes."""

    def __init__(self, prompts: int = 8, seed: int = 0) -> None:
        self.chance = np.random.default_rng(seed)
        self.project = create_project(slug="study", axes=("overall", "fluency"), points=tuple(range(1, 11)))
        models = [create_model(self.project, name) for name in MODELS]
        self.prompts = [create_prompt(self.project, key=f"p{n:02}", category="Math") for n in range(prompts)]
        self.responses = [
            [
                create_response(
                    self.project, prompt=prompt, model=model, turns=["あ" * (10 + 700 * (m == 2))]
                )
                for m, model in enumerate(models)
            ]
            for prompt in self.prompts
        ]
        self.ratings = self.chance.integers(3, 6, size=(prompts, 3, 2))

    def rate(self, axes=("overall", "fluency"), kind="person") -> None:
        rows = [
            {"prompt_id": prompt.key, "model": MODELS[m], "rater": f"r{r}", "axis": axis, "rater_kind": kind,
             "score": float(self.ratings[p, m, r])}
            for p, prompt in enumerate(self.prompts) for m in range(3) for r in range(2) for axis in axes
        ]  # fmt: skip
        with TemporaryDirectory() as folder:
            path = Path(folder) / "ratings.jsonl"
            path.write_text("\n".join(json.dumps(row) for row in rows))
            load(project=self.project, files=[path])

    def run(self, name="gpt", prompt="") -> JudgeRun:
        sha256 = f"{len(prompt):064x}" if prompt else ""
        return JudgeRun.objects.create(project=self.project, name=name, prompt=prompt, prompt_sha256=sha256)

    def judge(
        self,
        run=None,
        *,
        orders=(0, 1),
        pairs=ALL_PAIRS,
        axis="preference",
        values=None,
    ):
        """Verdicts at random, one in ten failed; {(prompt, first, second): what the first gets} as it was shown."""
        run = run or self.run()
        given = {}
        for p, row in enumerate(self.responses):
            for pair in pairs:
                for order in orders:
                    a, b = pair[::-1] if order else pair
                    value = self.chance.choice([-1, -0.5, 0, 0.5, 1]) if values is None else values[p]
                    failed = values is None and self.chance.random() < 0.1
                    given[p, a, b] = None if failed else float(value)
                    JudgeVerdict.objects.create(
                        run=run, first=row[a], second=row[b], axis=axis, value=given[p, a, b],
                        failure="unparsed" if failed else None,
                    )  # fmt: skip
        return given


@pytest.fixture
def study() -> Study:
    return Study()


def outcomes(given: dict) -> list[tuple[int, int, int, float]]:
    """(prompt, a, b, what a gets) of both orders together."""
    found = []
    for p, a, b in given:
        if a < b and (p, b, a) in given and None not in (given[p, a, b], given[p, b, a]):
            one, other = np.sign(given[p, a, b]), -np.sign(given[p, b, a])
            found.append((p, a, b, (one + 1) / 2 if one == other else 0.5))
    return found


# By themselves


def test_win_rates_are_those_of_counting_verdicts_one_by_one(study):
    given = study.judge()

    [pairs] = compared("gpt")["verdicts"]

    decided = outcomes(given)
    assert (pairs["axis"], pairs["n_verdicts"], pairs["n_pairs"], pairs["n_complete"]) == (
        "preference", 48, 24, len(decided),
    )  # fmt: skip
    assert (pairs["n_prompts"], pairs["n_models"], pairs["baseline"]) == (8, 3, None)
    failed = sum(value is None for value in given.values())
    assert (pairs["failures"]["unparsed"], pairs["failures"]["asked"]) == (failed, 48)
    assert pairs["failures"]["rate"]["value"] == pytest.approx(failed / 48)
    for m, one in enumerate(pairs["models"]):
        got = [x if m == a else 1 - x for _, a, b, x in decided if m in (a, b)]
        assert one["model"] == MODELS[m]
        assert (one["wins"], one["losses"], one["ties"]) == (got.count(1), got.count(0), got.count(0.5))
        assert one["incomplete"] == 16 - len(got)
        assert one["adjusted_win_rate"]["value"] == pytest.approx(np.mean(got))
        assert one["adjusted_win_rate"]["n"] == len(got)
        single = [
            (np.sign(value) * (1 if m == a else -1) + 1) / 2
            for (_, a, b), value in given.items()
            if m in (a, b) and value is not None
        ]
        assert one["win_rate_of_verdicts"]["value"] == pytest.approx(np.mean(single))
    first = [
        (np.sign(given[p, a, b]) + np.sign(given[p, b, a]) + 2) / 4 for p, a, b, _ in decided
    ]  # fmt: skip
    assert pairs["order"]["shown_first"]["value"] == pytest.approx(np.mean(first))
    assert pairs["order"]["consistency"]["value"] == pytest.approx(
        np.mean([np.sign(given[p, a, b]) == -np.sign(given[p, b, a]) for p, a, b, _ in decided])
    )
    assert set(pairs["bradley_terry"]["strengths"]) == set(MODELS)


def test_a_judge_that_compares_only_is_not_told_that_it_scored_nothing(study):
    study.rate()
    study.judge()
    found = compared("gpt")
    assert found["axes"] == []
    assert "nothing to compare" not in said("gpt")


def test_a_judge_with_scores_and_verdicts_shows_both(study):
    study.rate()
    run = study.run()
    study.judge(run)
    axis = Axis.objects.get(rubric__project=study.project, key="overall")
    JudgeScore.objects.bulk_create(
        JudgeScore(run=run, item=item, axis=axis, value=5)
        for item in Item.objects.filter(project=study.project)
    )
    found = compared("gpt")
    assert [axis["axis"] for axis in found["axes"]] == ["overall", "fluency"]
    assert len(found["verdicts"]) == 1
    assert found["wildbench"] is None


def test_two_judges_are_set_against_each_other_on_the_pairs_that_both_compared(study):
    one = study.judge(study.run("one"))
    two = study.judge(study.run("two"), pairs=((0, 1), (1, 2)))
    found = compared("one", "two")
    assert [judge["judge"] for judge in found["judges"]] == ["one", "two"]
    assert all(len(judge["verdicts"]) == 1 for judge in found["judges"])
    assert found["comparisons"] == []
    [between] = found["verdict_comparisons"]
    assert (between["first"], between["second"], between["axis"]) == ("one", "two", "preference")
    said_by_two = {(p, a, b): x for p, a, b, x in outcomes(two)}
    both = [(x, said_by_two[p, a, b]) for p, a, b, x in outcomes(one) if (p, a, b) in said_by_two]
    assert between["n_pairs"] == len(both) > 5
    assert between["agreement"]["value"] == pytest.approx(np.mean([x == y for x, y in both]))
    assert between["first_ties"]["value"] == pytest.approx(np.mean([x == 0.5 for x, _ in both]))
    assert between["counts"][0][2] == both.count((1, 0))
    assert "  one and two\n" in said("one", "two")


def test_pairs_of_other_samples_are_other_pairs(study):
    a, b = study.responses[0][:2]
    more = Response.objects.create(prompt=b.prompt, model=b.model, sample=1, turns=["二"])
    for name, second in [("one", b), ("two", more)]:
        run = study.run(name)
        JudgeVerdict.objects.create(run=run, first=a, second=second, value=1)
        JudgeVerdict.objects.create(run=run, first=second, second=a, value=-1)
    [between] = compared("one", "two")["verdict_comparisons"]
    assert (between["n_pairs"], between["agreement"]["reason"]) == (0, "nothing_shared")


def test_a_judge_of_pairs_beside_one_of_scores_is_set_against_nobody(study):
    study.rate()
    study.judge(study.run("pairs"))
    axis = Axis.objects.get(rubric__project=study.project, key="overall")
    run = study.run("scores")
    items = Item.objects.filter(project=study.project)
    JudgeScore.objects.bulk_create(JudgeScore(run=run, item=item, axis=axis, value=5) for item in items)
    found = compared("pairs", "scores")
    assert (found["verdict_comparisons"], found["comparisons"]) == ([], [])
    assert [len(judge["axes"]) for judge in found["judges"]] == [0, 2]


def test_each_axis_that_a_judge_compares_on_stands_by_itself(study):
    run = study.run()
    study.judge(run, axis="style")
    study.judge(run, axis="")
    assert [one["axis"] for one in compared("gpt")["verdicts"]] == ["", "style"]


def test_a_baseline_is_the_model_that_is_in_every_pair_or_the_one_that_is_named(study):
    study.judge(pairs=((0, 1), (0, 2)))
    [pairs] = compared("gpt")["verdicts"]
    assert pairs["baseline"] == "base"
    assert pairs["against_baseline"] == []
    [named] = compared("gpt", baseline="m2")["verdicts"]
    assert named["baseline"] == "m2"
    rates = {one["model"]: one for one in named["against_baseline"]}
    assert rates["m1"]["adjusted_win_rate"]["reason"] == "no_scores"
    assert rates["base"]["wins"] + rates["base"]["losses"] + rates["base"]["ties"] > 0
    assert "Win rates against m2" in said("gpt", baseline="m2")
    study.judge(study.run("two"), pairs=((0, 1),))
    [without] = compared("two", baseline="m2")["verdicts"]
    assert (without["baseline"], without["against_baseline"]) == (None, [])
    assert "“m2” is in none of these pairs" in without["warnings"][0]["words"]


def test_pairs_that_were_shown_in_one_order_count_among_single_verdicts_and_are_warned_of(study):
    given = study.judge(orders=(0,), pairs=((0, 1),))
    [pairs] = compared("gpt")["verdicts"]
    assert (pairs["n_complete"], pairs["n_one_order"]) == (0, 8)
    assert "one_order" in {one["warning"] for one in pairs["warnings"]}
    base, _m1 = pairs["models"]
    assert base["adjusted_win_rate"] == {"value": None, "reason": "no_scores", "n": 0}
    share = np.mean([(np.sign(value) + 1) / 2 for value in given.values() if value is not None])
    assert base["win_rate_of_verdicts"]["value"] == pytest.approx(share)
    assert "Win rates of single verdicts" in said("gpt")


def test_a_judge_that_always_prefers_the_first_is_warned_of(study):
    study.judge(values=[1.0] * 8)
    [pairs] = compared("gpt")["verdicts"]
    assert (pairs["order"]["first_twice"], pairs["order"]["consistency"]["value"]) == (24, 0)
    assert {one["adjusted_win_rate"]["value"] for one in pairs["models"]} == {0.5}
    assert {"few_prompts", "inconsistent"} <= {one["warning"] for one in pairs["warnings"]}


def test_repeats_and_samples_are_pairs_of_their_own(study):
    run = study.run()
    a, b = study.responses[0][:2]
    more = [
        Response.objects.create(prompt=one.prompt, model=one.model, sample=1, turns=["二"]) for one in (a, b)
    ]
    for repeat, pair in [(1, (a, b)), (2, (a, b)), (1, more), (1, (a, more[1]))]:
        for first, second, value in [(pair[0], pair[1], 1), (pair[1], pair[0], -1)]:
            JudgeVerdict.objects.create(run=run, first=first, second=second, repeat=repeat, value=value)
    [pairs] = compared("gpt")["verdicts"]
    assert (pairs["n_verdicts"], pairs["n_complete"]) == (8, 4)
    assert (pairs["models"][0]["wins"], pairs["models"][0]["losses"]) == (4, 0)


def test_a_pair_under_two_prompts_has_to_be_told_apart_by_preset(study):
    study.judge(study.run(prompt=json.dumps({"preset": "mt-bench-pair"})))
    study.judge(study.run(prompt=REWARD))
    assert "“gpt” judged the same responses with several prompts" in refused("gpt")
    assert compared("gpt@mt-bench-pair")["runs"][0]["prompt"] == json.dumps({"preset": "mt-bench-pair"})
    assert "no judge" in refused("gpt@mt-bench")


@pytest.mark.parametrize("order", [0, 1])
def test_a_pair_knows_the_items_of_its_two_responses_however_it_was_shown(study, order):
    run = study.run()
    given = study.judge(run, orders=(order,))
    [pairs] = read_pairs(study.project, [run.pk])
    models = dict(Item.objects.filter(project=study.project).values_list("pk", "response__model__name"))
    named = [[models[int(item)] for item in row] for row in pairs.item]
    verdicts = pairs.verdicts
    assert named == [
        [pairs.models[a], pairs.models[b]] for a, b in zip(verdicts.first, verdicts.second, strict=True)
    ]
    assert len(named) == len(given) == 24


def test_as_many_statements_for_many_verdicts_as_for_few(study, django_assert_max_num_queries):
    run = study.run()
    study.judge(run)
    with django_assert_max_num_queries(4):
        [pairs] = read_pairs(study.project, [run.pk])
    assert len(pairs.one_order) == 24


@pytest.mark.parametrize(
    ("options", "words"),
    [({"margin": -1}, "--margin: 0 or more"), ({"margin": float("nan")}, "--margin"), ({"wildbench_k": -2}, "--wildbench-k")],
)  # fmt: skip
def test_a_setting_out_of_range_is_refused(study, options, words):
    study.judge()
    assert words in refused("gpt", **options)


# Beside people


def test_people_prefer_what_they_score_higher_and_agreement_is_counted_pair_by_pair(study):
    study.rate()
    given = study.judge()

    [pairs] = compared("gpt")["verdicts"]

    overall, fluency = pairs["people"]
    assert (overall["axis"], fluency["axis"]) == ("overall", "fluency")
    means = study.ratings.mean(axis=2)
    both = [((np.sign(means[p, a] - means[p, b]) + 1) / 2, x) for p, a, b, x in outcomes(given)]
    assert overall["n_pairs"] == len(both)
    assert overall["agreement"]["value"] == pytest.approx(np.mean([h == j for h, j in both]))
    assert overall["human_ties"]["value"] == pytest.approx(np.mean([h == 0.5 for h, _ in both]))
    with_judge = [
        np.mean([(np.sign(study.ratings[p, a, r] - study.ratings[p, b, r]) + 1) / 2 == x for r in range(2)])
        for p, a, b, x in outcomes(given)
    ]
    assert overall["raters"]["judge"]["value"] == pytest.approx(np.mean(with_judge))
    for m, one in enumerate(overall["models"]):
        got = [
            (h if m == a else 1 - h)
            for (h, _), (_, a, b, _) in zip(both, outcomes(given), strict=True)
            if m in (a, b)
        ]
        assert one["human"]["value"] == pytest.approx(np.mean(got))
    assert {"pearson", "spearman", "kendall"} == set(overall["system"])
    assert compared("gpt", axis=["fluency"])["verdicts"][0]["people"][0]["axis"] == "fluency"


def test_means_within_the_margin_are_ties(study):
    study.rate(axes=("overall",))
    study.judge()
    [pairs] = compared("gpt", margin=10)["verdicts"]
    assert pairs["people"][0]["human_ties"]["value"] == 1


def test_where_nobody_rated_there_are_no_preferences(study):
    study.judge()
    [pairs] = compared("gpt")["verdicts"]
    assert pairs["people"] == []
    assert "People scored no two responses that the judge compared." in said("gpt")


def test_positions_in_a_list_are_no_persons(study):
    study.rate(axes=("overall",), kind="position")
    study.judge()
    [pairs] = compared("gpt")["verdicts"]
    assert pairs["people"][0]["raters"]["judge"]["reason"] == "anonymous"
    assert "anonymous_raters" in {one["warning"] for one in pairs["warnings"]}


# WildBench


def test_a_wildbench_reward_is_the_mean_of_extents_and_slight_winners_that_are_longer_tie(study):
    study.judge(
        study.run(prompt=REWARD),
        pairs=((0, 1), (0, 2)),
        orders=(0,),
        values=[-1, -0.5, -0.5, 0, 0.5, 1, 1, -1],
    )

    found = compared("gpt")["wildbench"]

    assert found["scores"] == []
    [rewards] = found["rewards"]
    short, long = rewards["models"]
    assert (short["model"], short["baselines"], long["model"]) == ("m1", ["base"], "m2")
    assert short["published"]["reward"]["value"] == pytest.approx((2 - 2 + (2 - 1) / 2) / 8)
    # m2 is 700 characters longer: its slight wins tie
    assert long["published"]["reward"]["value"] == pytest.approx((2 - 2 + (0 - 1) / 2) / 8)
    assert long["published"]["by_baseline"][0]["counts"] == {
        "win_much": 2,
        "win": 0,
        "tie": 3,
        "lose": 1,
        "lose_much": 2,
    }
    assert long["published"]["by_baseline"][0]["groups"]["Math & Data Analysis"]["n"] == 8
    without = compared("gpt", wildbench_k=-1)["wildbench"]["rewards"][0]["models"][1]
    assert without["published"]["reward"]["value"] == pytest.approx((2 - 2 + (2 - 1) / 2) / 8)
    assert "WB-Reward, -1 to 1; without the rule on length" in said("gpt", wildbench_k=-1)


def test_truncated_responses_stay_in_the_published_reward_and_leave_ours(study):
    study.judge(study.run(prompt=REWARD), pairs=((0, 1),), orders=(0,), values=[-1] * 8)
    Response.objects.filter(pk__in=[row[1].pk for row in study.responses[:2]]).update(truncated=[1])
    [one] = compared("gpt", baseline="base")["wildbench"]["rewards"][0]["models"]
    assert one["published"]["reward"]["value"] == pytest.approx(6 / 8)
    assert (one["ours"]["reward"]["value"], one["ours"]["n_truncated"]) == (1, 2)
    assert "without 2 truncated or empty" in said("gpt")


def test_a_wildbench_score_is_twice_the_mean_above_five(study):
    run = study.run(prompt="wildbench-score")
    axis = Axis.objects.get(rubric__project=study.project, key="overall")
    items = Item.objects.filter(project=study.project, response__model__name="m1").order_by("pk")
    values = [8, 7, 9, 10, 5, 6, 7, None]
    JudgeScore.objects.bulk_create(
        JudgeScore(run=run, item=item, axis=axis, value=value, failure=None if value else "unparsed")
        for item, value in zip(items, values, strict=True)
    )
    [scores] = compared("gpt")["wildbench"]["scores"]
    [one] = scores["models"]
    assert (scores["axis"], one["model"], one["published"]["n_failed"]) == ("overall", "m1", 1)
    mean = np.mean(values[:-1])
    assert one["published"]["mean"]["value"] == pytest.approx(mean)
    assert one["published"]["score"]["value"] == pytest.approx(2 * (mean - 5))
    assert one["published"]["task_macro"]["value"] == pytest.approx(2 * (mean - 5) * 1 / 4.75)
    assert one["ours"]["task_macro"]["value"] == pytest.approx(2 * (mean - 5))
    assert "WB-Score by overall" in said("gpt")


# In words, and drawn


def test_in_japanese_nothing_is_left_in_english(study):
    study.rate(axes=("overall",))
    study.judge(study.run(prompt=REWARD))
    text = said("gpt", language="ja")
    assert "対の優劣判定 · preference" in text
    assert "人の選好との比較" in text
    assert "Verdicts" not in text
    assert "verdict" not in text


def test_win_rates_are_drawn(study, tmp_path):
    study.rate(axes=("overall",))
    study.judge()
    said("gpt", plot=tmp_path / "rates.json")
    drawn = (tmp_path / "rates.json").read_text(encoding="utf-8")
    assert "Win rates: preference" in drawn
    assert "win rate and its interval" in drawn
    means = [row for row in _rows(json.loads(drawn)) if {"mean", "model", "n"} <= row.keys()]
    assert {row["who"] for row in means} == {"people", "gpt"}
    assert {row["model"] for row in means} == set(MODELS)


def _rows(of) -> list[dict]:
    if isinstance(of, dict):
        return [of, *(row for value in of.values() for row in _rows(value))]
    return [row for value in of for row in _rows(value)] if isinstance(of, list) else []
