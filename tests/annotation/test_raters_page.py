"""The page of raters: who may see it, what it says, in both languages, and what it says instead."""

import pytest
from django.core.cache import cache
from django.urls import reverse

from annotation.raters import kept
from tests.factories import create_batch, create_member, create_project, create_prompt, create_response, rate

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_kept():
    cache.clear()


@pytest.fixture
def project():
    return create_project(slug="study", axes=("relevance", "fluency"))


@pytest.fixture
def client(client, project):
    client.force_login(create_member(project, is_researcher=True).user)
    return client


def rated(project, prompts=40, **fields):
    """Three raters, two an item; the third one gives 4 on all axes and everywhere."""
    raters = [create_member(project, login=False, **fields) for _ in range(3)]
    for _ in range(prompts):
        create_response(project, prompt=create_prompt(project))
    batch = create_batch(project, name="main 1")
    for number, item in enumerate(project.items.order_by("pk")):
        pair = [raters[number % 2], raters[2]] if number % 3 else raters[:2]
        for seat, rater in zip(batch.assignments.filter(item=item).order_by("seat"), pair, strict=True):
            good = 1 + (number * 7) % 5
            values = {"relevance": good, "fluency": 1 + (good + number) % 5}
            rate(seat, rater, {"relevance": 4, "fluency": 4} if rater == raters[2] else values)
    return batch


def page(client, project, *args, name="raters", **query):
    return client.get(reverse(f"annotation:{name}", args=[project.slug, *args]), query)


def test_each_rater_has_figures_with_intervals(client, project):
    rated(project)
    response = page(client, project)
    assert response.status_code == 200
    for words in ("R002", "R003", "R004", "severity", "r with the others", "Means of models"):
        assert words in response.text
    (row,) = [row for row in response.context["shown"].rows if row.rater == "R002"]
    severity = row.figures[0]
    assert severity.value
    assert " – " in severity.interval
    assert severity.interval in response.text


def test_whom_to_look_at_is_said_first_and_why(client, project):
    rated(project, prompts=60)
    response = page(client, project)
    (remark,) = [remark for remark in response.context["remarks"] if remark.rater == "R004"]
    assert any("nearly always the same score on all axes: 100 %" in reason for reason in remark.reasons)
    (row,) = [row for row in response.context["shown"].rows if row.rater == "R004"]
    assert {"one point only", "equal axes"} <= set(row.flags)


def test_another_axis_is_a_link(client, project):
    rated(project, prompts=12)
    first, second = page(client, project), page(client, project, axis=2)
    assert 'aria-current="page">Relevance' in first.text
    assert 'aria-current="page">Fluency' in second.text
    for odd in ("0", "3", "x", "٢", "9" * 40):
        assert 'aria-current="page">Relevance' in page(client, project, axis=odd).text


def test_a_batch_has_a_page_of_its_own(client, project):
    batch = rated(project, prompts=12)
    response = page(client, project, batch.pk, name="batch_raters")
    assert response.status_code == 200
    assert "main 1" in response.text
    assert page(client, project, batch.pk + 1, name="batch_raters").status_code == 404


def test_the_page_speaks_japanese(client, project):
    rated(project, prompts=12)
    client.cookies["django_language"] = "ja"
    text = client.get(reverse("annotation:raters", args=["study"]), headers={"accept-language": "ja"}).text
    assert "評価者" in text
    assert "甘辛" in text
    assert "モデルの平均" in text


def test_positions_in_a_list_are_no_raters(client, project):
    rated(project, prompts=4, kind="position")
    assert "positions in a list, not persons" in page(client, project).text


def test_without_ratings_the_page_says_so(client, project):
    assert "no scores yet" in page(client, project).text


def test_too_many_ratings_are_left_to_the_command(client, project, monkeypatch):
    rated(project, prompts=4)
    monkeypatch.setattr(kept, "MOST_FOR_A_PAGE", 7)
    assert "manage.py raters study" in page(client, project).text
    monkeypatch.setattr(kept, "MOST_FOR_A_PAGE", 8)
    assert "manage.py raters study" not in page(client, project).text


def test_it_is_computed_once_a_minute(client, project, django_assert_max_num_queries):
    rated(project, prompts=4)
    page(client, project)
    with django_assert_max_num_queries(6):
        page(client, project)


def test_raters_and_strangers_find_no_such_page(client, project):
    client.force_login(create_member(project).user)
    assert page(client, project).status_code == 404
    client.force_login(create_member(create_project(), is_coordinator=True).user)
    assert page(client, project).status_code == 404


def test_it_is_only_to_be_read(client, project):
    assert client.post(reverse("annotation:raters", args=["study"])).status_code == 405


def test_the_monitor_leads_there(client, project):
    rated(project, prompts=4)
    monitor = client.get(reverse("annotation:monitor", args=["study"])).text
    assert reverse("annotation:raters", args=["study"]) in monitor
