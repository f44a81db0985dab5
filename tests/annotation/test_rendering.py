"""What raters are shown is rendered before they come; nothing depends on it."""

from __future__ import annotations

import pytest
from django.db import connection
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob

from annotation import rendering, tasks
from annotation.models import Rendering
from annotation.rendering import forget_renderings, render_waiting
from annotation.services import claim_next, close, make_batch
from annotation.views import card
from projects.markdown import render
from projects.models import Response
from tests.factories import (
    create_batch,
    create_item,
    create_member,
    create_model,
    create_project,
    create_prompt,
)

pytestmark = pytest.mark.django_db
ANSWER = "**春**は[桜](https://example.org)、`夏` は海。\n\n```python\nprint(1)\n```\n"


@pytest.fixture
def project():
    return create_project()


@pytest.fixture
def rater(project):
    return create_member(project)


def item_of(project, answer=ANSWER, **fields):
    prompt = create_prompt(project, **fields)
    return create_item(project, prompt=prompt, turns=[answer])


def shown(client, rater):
    client.force_login(rater.user)
    return client.get(reverse("annotation:rate", args=[rater.project.slug])).content.decode()


def poison():
    """So that it shows where a page has its text from."""
    Rendering.objects.update(html="<p>kept</p>")


def test_a_response_is_rendered_once_as_the_page_would_render_it(project):
    item = item_of(project)
    create_batch(project, items=[item])

    assert render_waiting() == (1, True)
    assert render_waiting() == (0, True)

    assert Rendering.objects.get(response=item.response, turn=1).html == render(ANSWER)


def test_the_page_shows_what_was_kept(client, project, rater):
    create_batch(project, items=[item_of(project)])
    render_waiting()
    poison()

    page = shown(client, rater)

    assert "<p>kept</p>" in page
    assert "桜" not in page


def test_another_text_is_never_shown_in_place_of_the_response(client, project, rater):
    item = item_of(project)
    create_batch(project, items=[item])
    render_waiting()
    poison()
    type(item.response).objects.update(turns=["Another answer."])

    page = shown(client, rater)

    assert "Another answer." in page
    assert "kept" not in page


def test_what_an_older_renderer_made_is_not_shown_and_made_anew(client, project, rater, monkeypatch):
    create_batch(project, items=[item_of(project)])
    monkeypatch.setattr(rendering, "VERSION", "older")
    render_waiting()
    poison()
    assert "kept" not in shown(client, rater)
    monkeypatch.undo()

    assert render_waiting() == (1, True)

    assert Rendering.objects.get().html == render(ANSWER)


def test_without_any_of_it_the_page_is_the_same(client, project, rater):
    create_batch(project, items=[item_of(project)])
    seat = claim_next(rater=rater)
    assert seat.answer_html is None
    before = card._conversation(rater, seat)

    render_waiting()
    seat = claim_next(rater=rater)

    assert seat.answer_html == render(ANSWER)
    assert card._conversation(rater, seat) == before


@pytest.mark.parametrize(
    "fields",
    [
        {"turns": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "季節は？"}]},
        {"reference": "四季"},
        {"checklist": ["mentions spring"]},
    ],
)
def test_what_stands_around_it_is_the_same_too(client, project, rater, fields):
    project.raters_see_reference = project.raters_see_checklist = True
    project.save()
    rater.refresh_from_db()
    create_batch(project, items=[item_of(project, **fields)])
    before = card._conversation(rater, claim_next(rater=rater))

    render_waiting()

    assert card._conversation(rater, claim_next(rater=rater)) == before


def test_a_text_that_looks_like_a_place_for_another_stays_as_it_is(project, rater):
    mark = card._Marks.word("text")
    create_batch(
        project,
        items=[item_of(project, f"answer {mark}", turns=[{"role": "user", "content": f"question {mark}"}])],
    )
    before = card._conversation(rater, claim_next(rater=rater))

    render_waiting()

    assert card._conversation(rater, claim_next(rater=rater)) == before


def test_only_what_can_be_handed_out_is_rendered(project):
    item_of(project)
    closed = create_batch(project, items=[item_of(project)])
    close(batch=closed)

    assert render_waiting() == (0, True)


def test_an_empty_response_is_still_called_that(client, project, rater):
    create_batch(project, items=[item_of(project, " \n")])
    render_waiting()
    assert "The response is empty." in shown(client, rater)


def test_what_is_too_much_is_noted_and_shown_as_it_is(client, project, rater, monkeypatch):
    create_batch(project, items=[item_of(project)])
    monkeypatch.setattr(rendering.markdown, "render_for_keeping", lambda text: None)

    assert render_waiting() == (1, True)
    assert render_waiting() == (0, True)

    assert Rendering.objects.get().html is None
    assert "桜" in shown(client, rater)


def test_it_can_be_stopped_and_goes_on_where_it_was(project, monkeypatch):
    monkeypatch.setattr(rendering, "_AT_ONCE", 2)
    create_batch(project, items=[item_of(project) for _ in range(5)])
    asked = iter([True, True, False])

    assert render_waiting(lambda: next(asked)) == (4, False)
    assert Rendering.objects.count() == 4
    assert render_waiting() == (1, True)


def test_what_nobody_can_rate_any_more_is_forgotten(project):
    batch = create_batch(project, items=[item_of(project)])
    create_batch(project, items=[item_of(project)])
    render_waiting()
    close(batch=batch)

    assert forget_renderings() == 1
    assert Rendering.objects.count() == 1


def test_a_response_that_is_deleted_takes_it_along(project):
    create_batch(project, items=[item_of(project)])
    render_waiting()
    other = Response.objects.create(prompt=create_prompt(project), model=create_model(project), turns=["x"])
    Rendering.objects.create(response=other, turn=1, version="x", digest=b"", html="")

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM projects_response WHERE id = %s", [other.pk])

    assert Rendering.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_new_batch_asks_the_worker_for_it(project):
    create_member(project), create_member(project)
    item_of(project)
    ProcrastinateJob.objects.filter(task_name="render_texts").delete()

    make_batch(project=project, name="first")
    make_batch(project=project, name="second")

    assert ProcrastinateJob.objects.filter(task_name="render_texts", status="todo").count() == 1


def test_the_worker_lets_others_through(project, monkeypatch):
    asked = []
    monkeypatch.setattr(tasks, "SECONDS_AT_ONCE", -1)
    monkeypatch.setattr(tasks, "render_soon", lambda: asked.append(1))
    monkeypatch.setattr(tasks.connection, "close", lambda: None)
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
    create_batch(project, items=[item_of(project)])

    tasks.render_texts(0)
    assert asked == [1]

    monkeypatch.setattr(tasks, "SECONDS_AT_ONCE", 10)
    tasks.render_texts(0)
    assert asked == [1]
    assert Rendering.objects.count() == 1
