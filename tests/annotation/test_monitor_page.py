"""The monitor: no number alone, undefined ones explained, computed seldom, drawn with and without a script."""

import json
import subprocess
from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from annotation import drawing, monitoring
from annotation.agreement import agreement
from annotation.figures import figures, number
from annotation.plots import AlphaRow, alpha_spec, on_paper, svg, with_data
from projects.models import Axis
from tests.factories import create_batch, create_member, create_project, create_prompt, create_response, rate

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_kept():
    cache.clear()


@pytest.fixture
def project():
    return create_project()


@pytest.fixture
def client(client, project):
    client.force_login(create_member(project, is_researcher=True).user)
    return client


def url(name, project, *args):
    return reverse(f"annotation:{name}", args=[project.slug, *args])


def rated(project, scores):
    """A batch in which two raters gave these pairs of scores on relevance, and 3 on fluency."""
    raters = [create_member(project), create_member(project)]
    prompts = [create_prompt(project) for _ in range(max(1, len(scores) // 2))]
    for number_, _pair in enumerate(scores):
        create_response(project, prompt=prompts[number_ % len(prompts)])
    batch = create_batch(project)
    for item, pair in zip(project.items.order_by("pk"), scores, strict=True):
        seats = batch.assignments.filter(item=item).order_by("seat")
        for seat, rater, score in zip(seats, raters, pair, strict=True):
            if score != "none":
                rate(seat, rater, {"relevance": score, "fluency": 3})
    return batch


VARIED = [(1, 1), (2, 3), (5, 5), (4, 4), (2, 2), (3, 5), (1, 2), (4, 5)]


def axis_of(response, key):
    return next(axis for axis in response.context["axes"] if axis.axis.key == key)


def test_each_figure_stands_with_its_interval_and_what_it_was_computed_from(client, project):
    rated(project, [*VARIED, (3, None), (2, "none")])
    response = client.get(url("monitor", project))
    relevance = axis_of(response, "relevance")
    panel = agreement(project=project).axes[0].panel
    assert relevance.alpha.value == number(panel.alpha["ordinal"].value)
    assert relevance.alpha.interval == (
        f"{number(panel.alpha['ordinal'].low)} – {number(panel.alpha['ordinal'].high)}"
    )
    assert relevance.metric == "ordinal"
    assert (relevance.panel.n_pairable, relevance.panel.n_items) == (8, 10)
    assert relevance.n_raters == 2
    for shown in [
        relevance.alpha.value,
        relevance.alpha.interval,
        relevance.exact.interval,
        relevance.within_one.interval,
        "of 10 rated",
    ]:
        assert shown in response.text


def test_an_undefined_figure_says_why(client, project):
    rated(project, VARIED)
    fluency = axis_of(client.get(url("monitor", project)), "fluency")
    assert fluency.alpha.value == ""
    assert fluency.alpha.said == "all scores are the same, so there is nothing to agree or disagree on"
    assert fluency.exact.value == "100 %"
    assert "want of variation" in fluency.caution


def test_before_any_rating_the_reason_stands_in_place_of_each_figure(client, project):
    create_response(project)
    create_batch(project)
    response = client.get(url("monitor", project))
    assert axis_of(response, "relevance").alpha.said == "no scores yet"
    assert "NaN" not in response.text
    assert "nan" not in json.dumps(client.get(url("monitor_data", project)).json())


def test_few_items_are_read_with_care(client, project):
    rated(project, VARIED)
    assert "Fewer than 30 items" in axis_of(client.get(url("monitor", project)), "relevance").caution


def test_few_prompts_are_said_once_below_all_axes(client, project):
    rated(project, VARIED * 4)  # 32 items on 16 prompts
    text = client.get(url("monitor", project)).text
    assert text.count("Few prompts (16): take all intervals for rough.") == 1
    assert f"{reverse('annotation:numbers')}#few-prompts" in text


@pytest.mark.parametrize("times", [1, 8])
def test_where_items_are_few_or_prompts_enough_prompts_are_not_spoken_of(client, project, times):
    rated(project, VARIED * times)
    assert "Few prompts" not in client.get(url("monitor", project)).text


def test_a_nominal_axis_is_measured_by_nominal_alpha(client, project):
    Axis.objects.filter(rubric__project=project, key="relevance").update(kind="nominal")
    rated(project, VARIED)
    relevance = axis_of(client.get(url("monitor", project)), "relevance")
    assert relevance.metric == "nominal"
    assert relevance.within_one.value == ""
    assert relevance.within_one.said == "the points of this axis have no order"


def test_cannot_judge_has_its_own_rate_and_is_no_score(client, project):
    rated(project, [(1, None), (2, 2), (5, 5), (4, 4)])
    relevance = axis_of(client.get(url("monitor", project)), "relevance")
    assert relevance.na_percent == "12 %"
    assert relevance.panel.n_pairable == 3
    assert sum(bar.count for bar in relevance.bars) == 7


def test_the_distribution_is_said_in_words_too(client, project):
    rated(project, VARIED)
    assert 'aria-label="1: 3, 2: 4, 3: 2, 4: 3, 5: 4"' in client.get(url("monitor", project)).text


def test_bars_stand_on_one_line_and_the_most_frequent_point_reaches_the_top(project):
    rated(project, VARIED)
    bars = figures(agreement(project=project))[0].bars
    assert {bar.y + bar.tall for bar in bars} == {30}
    assert [bar.tall == 30 for bar in bars] == [False, True, False, False, True]


def test_ratings_by_position_have_no_number_of_persons(client, project):
    raters = [create_member(project, kind="position"), create_member(project, kind="position")]
    create_response(project)
    batch = create_batch(project)
    for seat, rater in zip(batch.assignments.all(), raters, strict=True):
        rate(seat, rater, {"relevance": 1, "fluency": 2})
    response = client.get(url("monitor", project))
    assert axis_of(response, "relevance").n_raters is None
    assert "unknown" in response.text


def test_a_batch_has_a_monitor_of_its_own(client, project):
    batch = rated(project, VARIED)
    create_batch(project, purpose="training")
    response = client.get(url("batch_monitor", project, batch.pk))
    assert response.context["progress"].seats == 16
    assert client.get(url("monitor", project)).context["progress"].seats == 32


def test_ratings_that_are_not_of_the_design_are_left_out_and_the_page_says_so(client, project):
    create_response(project)
    batch = create_batch(project, purpose="training")
    response = client.get(url("batch_monitor", project, batch.pk))
    assert "its ratings are left out" in response.text


def test_a_batch_of_another_project_has_no_monitor_here(client, project):
    other = create_project()
    create_response(other)
    batch = create_batch(other)
    for name, more in [("batch_monitor", []), ("batch_monitor_data", []), ("batch_monitor_picture", ["svg"])]:
        assert client.get(url(name, project, batch.pk, *more)).status_code == 404


@pytest.mark.parametrize(
    ("name", "more"), [("monitor", []), ("monitor_data", []), ("monitor_picture", ["svg"])]
)
def test_raters_and_strangers_get_404_and_nothing_takes_a_post(client, project, name, more):
    assert client.post(url(name, project, *more)).status_code == 405
    for user in [create_member(project).user, create_member(create_project(), is_coordinator=True).user]:
        client.force_login(user)
        assert client.get(url(name, project, *more)).status_code == 404


# Seldom


def test_it_refreshes_itself_until_it_is_paused(client, project):
    rated(project, VARIED)
    assert 'hx-trigger="every 20s"' in client.get(url("monitor", project)).text
    assert "hx-trigger" not in client.get(url("monitor", project), {"live": "0"}).text
    part = client.get(url("monitor", project), headers={"HX-Request": "true"})
    assert "<html" not in part.text
    assert 'id="live"' in part.text


def test_watching_computes_once_for_many_looks(client, project, django_assert_num_queries):
    rated(project, VARIED)
    client.get(url("monitor", project))
    with django_assert_num_queries(3):  # session, user, member
        client.get(url("monitor", project))


def test_a_snapshot_is_made_anew_after_some_seconds(client, project):
    batch = rated(project, [*VARIED, (1, "none")])
    with time_machine.travel("2026-11-22 12:00Z", tick=False) as clock:
        client.get(url("monitor", project))
        rate(batch.assignments.empty().get(), create_member(project), {"relevance": 1, "fluency": 1})
        assert client.get(url("monitor", project)).context["progress"].submitted == 17
        clock.shift(monitoring.SHORTEST + 60)
        assert client.get(url("monitor", project)).context["progress"].submitted == 18


def test_others_get_the_old_snapshot_while_a_new_one_is_made(project, monkeypatch):
    rated(project, VARIED)
    old = monitoring.snapshot(project=project)
    answers = []

    def make(**_terms):
        answers.append(monitoring.snapshot(project=project))
        return old

    monkeypatch.setattr(monitoring, "_make", make)
    with time_machine.travel(timezone.now() + timedelta(minutes=10)):
        monitoring.snapshot(project=project)
    assert [answer.state for answer in answers] == [old.state]


def test_the_monitor_asks_a_fixed_number_of_queries(client, project, django_assert_num_queries):
    rated(project, VARIED)
    queries = 14
    client.get(url("monitor", project))
    cache.clear()
    with django_assert_num_queries(queries):
        client.get(url("monitor", project))
    for _ in range(3):
        create_batch(project, purpose="training")
        create_member(project)
    cache.clear()
    with django_assert_num_queries(queries):
        client.get(url("monitor", project))


# The plot

WORDS = {"title": "Agreement", "alpha": "alpha", "axis": "Axis", "description": "x"}
ROWS = [
    AlphaRow("流暢性", 0.5, 0.4, 0.6, "0.50"),
    AlphaRow("Accuracy", None, None, None, "no scores yet"),
    AlphaRow("Detail", 0.2, None, None, "0.20, no interval"),
]


def test_the_plot_is_drawn_with_every_axis_in_its_order():
    drawn = svg(on_paper(with_data(alpha_spec(words=WORDS), ROWS)))
    assert drawn.index("流暢性") < drawn.index(">Accuracy<") < drawn.index(">Detail<")
    assert "no scores yet" in drawn
    assert ">0.50<" in drawn


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_gets_the_same_spec_that_is_drawn_on_the_server(client, project, theme):
    rated(project, VARIED)
    spec = client.get(url("monitor_data", project), {"theme": theme}).json()
    row = spec["datasets"]["alpha"][0]
    estimate = agreement(project=project).axes[0].panel.alpha["ordinal"]
    assert row["alpha"] == pytest.approx(estimate.value)
    assert row["low"] == pytest.approx(estimate.low)
    assert spec["config"] == alpha_spec(words=WORDS, theme=theme)["config"]


def test_the_plot_can_be_taken_away_as_svg_and_png(client, project):
    rated(project, VARIED)
    picture = client.get(url("monitor_picture", project, "svg"))
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert picture.content.startswith(b"<svg")
    kept = client.get(url("monitor_picture", project, "png"), {"download": ""})
    assert kept.content.startswith(b"\x89PNG")
    assert f'filename="{project.slug}-alpha.png"' in kept.headers["Content-Disposition"]
    assert client.get(url("monitor_picture", project, "exe")).status_code == 404


def test_a_picture_of_the_same_snapshot_is_drawn_once(client, project, monkeypatch):
    rated(project, VARIED)
    first = client.get(url("monitor_picture", project, "svg")).content

    def refuse(*_args, **_kwargs):
        raise AssertionError("drawn again")

    monkeypatch.setattr(subprocess, "run", refuse)
    assert client.get(url("monitor_picture", project, "svg")).content == first


def test_without_the_bundle_the_page_shows_the_picture(client, project, settings, tmp_path):
    rated(project, VARIED)
    settings.VAR_DIR = tmp_path
    text = client.get(url("monitor", project)).text
    assert "vega.js" not in text
    assert 'src="/p/' in text
    assert "<noscript><" not in text.replace("\n", "").split("alpha-figure")[1]


def test_web_processes_do_not_load_what_draws():
    code = "import sys, annotation.drawing; sys.exit('altair' in sys.modules or 'vl_convert' in sys.modules)"
    program = "import os, django; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'tests.settings'); django.setup(); "
    done = subprocess.run(
        [drawing.sys.executable, "-c", program + code], cwd=drawing.settings.BASE_DIR, check=False
    )
    assert done.returncode == 0


def test_small_numbers_keep_their_sign():
    assert [number(value) for value in (-0.0196, 0.714, -0.001)] == ["−0.02", "0.71", "0.00"]


def test_all_figures_have_words(project):
    rated(project, VARIED)
    for axis in figures(agreement(project=project)):
        assert all(figure.name and (figure.value or figure.said) for figure in axis.more)
