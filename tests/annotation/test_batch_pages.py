"""Batches: making one with a preview, what its page says, and what a coordinator does to it."""

import uuid
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from annotation.counts import Progress, conflicts_of, progress_of
from annotation.models import Assignment, Batch
from tests.factories import (
    create_batch,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    rate,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_kept():
    cache.clear()


BOTH = {"relevance": 1, "fluency": 2}


@pytest.fixture
def project():
    return create_project()


@pytest.fixture
def coordinator(project):
    return create_member(project, is_coordinator=True)


@pytest.fixture
def client(client, coordinator):
    client.force_login(coordinator.user)
    return client


def url(name, project, *args):
    return reverse(f"annotation:{name}", args=[project.slug, *args])


def terms(**said):
    """What the untouched form sends."""
    return {
        "name": "first",
        "purpose": "main",
        "raters_per_item": "2",
        "filling": "pool",
        "order": "mixed",
        "open_to": "all",
        "lease": "2",
        "seed": "7",
    } | said


def study(project, *, prompts=3, models=("a", "b"), raters=3):
    for name in models:
        create_model(project, name)
    for number in range(prompts):
        prompt = create_prompt(project, category="maths" if number % 2 else "prose", tags=["ja"])
        for model in project.language_models.all():
            create_response(project, prompt=prompt, model=model)
    return [create_member(project, group="students" if n else "") for n in range(raters)]


# Who may


@pytest.mark.parametrize("name", ["batches", "new_batch", "monitor"])
def test_raters_and_strangers_get_404(client, project, name):
    for user in [create_member(project).user, create_member(create_project(), is_coordinator=True).user]:
        client.force_login(user)
        assert client.get(url(name, project)).status_code == 404


@pytest.mark.parametrize("name", ["batch", "batch_remarks", "batch_conflicts", "batch_monitor"])
def test_the_pages_of_a_batch_are_for_those_who_may_see_data(client, project, name):
    create_response(project)
    batch = create_batch(project)
    client.force_login(create_member(project, is_researcher=True).user)
    assert client.get(url(name, project, batch.pk)).status_code == 200
    client.force_login(create_member(project).user)
    assert client.get(url(name, project, batch.pk)).status_code == 404


def test_a_researcher_changes_nothing(client, project):
    create_response(project)
    batch = create_batch(project)
    client.force_login(create_member(project, is_researcher=True).user)
    assert client.get(url("new_batch", project)).status_code == 404
    assert client.post(url("new_batch", project), terms()).status_code == 404
    assert client.post(url("preview_batch", project), terms()).status_code == 404
    assert client.post(url("move_batch", project, batch.pk), {"move": "close"}).status_code == 404
    assert client.post(url("extend_lease", project, batch.pk)).status_code == 404
    assert client.get(url("withdraw_rater", project, batch.pk, "R001")).status_code == 404
    text = client.get(url("batch", project, batch.pk)).text
    assert "Pause" not in text


def test_a_batch_of_another_project_is_not_there(client, project):
    other = create_project()
    create_response(other)
    batch = create_batch(other)
    assert client.get(url("batch", project, batch.pk)).status_code == 404
    assert client.post(url("move_batch", project, batch.pk), {"move": "close"}).status_code == 404


@pytest.mark.parametrize("name", ["move_batch", "extend_lease"])
def test_changes_take_a_post(client, project, name):
    create_response(project)
    assert client.get(url(name, project, create_batch(project).pk)).status_code == 405


# Making one


def test_a_batch_is_made_with_the_chosen_terms(client, project):
    raters = study(project)
    response = client.post(
        url("new_batch", project),
        terms(
            models=["a"],
            categories=["prose"],
            filling="planned",
            order="by_prompt",
            open_to="named",
            raters=[rater.pk for rater in raters[:2]],
            lease="8",
            due_on="2099-12-31",
        ),
    )
    batch = Batch.objects.get()
    assert response.url == url("batch", project, batch.pk)
    assert batch.selection == {"models": ["a"], "categories": ["prose"]}
    assert batch.assignments.count() == 4
    assert batch.lease == timedelta(hours=8)
    assert str(batch.due_on) == "2099-12-31"
    assert batch.seed == 7
    assert {seat.rater for seat in batch.assignments.select_related("rater")} == set(raters[:2])


def test_one_rater_per_item_asks_for_a_confirmation(client, project):
    study(project)
    response = client.post(url("new_batch", project), terms(raters_per_item="1"))
    assert response.status_code == 422
    assert response.context["form"].errors["confirm_single"]
    assert not Batch.objects.exists()
    client.post(url("new_batch", project), terms(raters_per_item="1", confirm_single="on"))
    assert Batch.objects.get().raters_per_item == 1


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"name": ""}, "name"),
        ({"raters_per_item": "0"}, "raters_per_item"),
        ({"raters_per_item": "9"}, "raters_per_item"),
        ({"models": ["unknown"]}, "models"),
        ({"sample_prompts": "99"}, "sample_prompts"),
        ({"open_to": "group", "group": ""}, "group"),
        ({"open_to": "named"}, "raters"),
        ({"due_on": "2001-01-01"}, "due_on"),
        ({"seed": "-1"}, "seed"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_made(client, project, said, field):
    study(project)
    response = client.post(url("new_batch", project), terms(**said))
    assert response.status_code == 422
    assert response.context["form"].errors[field]
    assert not Batch.objects.exists()


def test_a_name_that_is_taken_is_explained(client, project):
    study(project)
    client.post(url("new_batch", project), terms())
    response = client.post(url("new_batch", project), terms())
    assert response.status_code == 422
    assert response.context["form"].errors["name"]
    assert Batch.objects.count() == 1


def test_the_preview_button_counts_and_makes_nothing(client, project):
    study(project)
    response = client.post(url("new_batch", project), terms(preview="yes", models=["a"], name=""))
    preview = response.context["preview"]
    assert (preview.items, preview.prompts, preview.models, preview.seats, preview.raters) == (3, 3, 1, 6, 3)
    assert not Batch.objects.exists()


def test_the_live_preview_is_a_part_of_the_page(client, project):
    study(project)
    response = client.post(
        url("preview_batch", project), terms(sample_prompts="2"), headers={"HX-Request": "true"}
    )
    assert "<html" not in response.text
    assert "<dd>4</dd>" in response.text  # items: two prompts by two models
    broken = client.post(url("preview_batch", project), terms(raters_per_item="many"))
    assert "missing or wrong" in broken.text


def test_what_stands_in_the_way_is_said_in_the_preview(client, project):
    study(project, raters=1)
    response = client.post(url("preview_batch", project), terms())
    assert "2 different raters per item are asked for" in response.text


def test_the_untouched_form_has_a_preview_too(client, project):
    study(project)
    response = client.get(url("new_batch", project))
    assert response.context["preview"].items == 6
    assert str(response.context["form"]["seed"].value()) in response.text


def test_the_same_seed_draws_the_same_sample(client, project):
    study(project, prompts=8)
    drawn = []
    for name in ["one", "two"]:
        client.post(url("new_batch", project), terms(name=name, sample_prompts="3", purpose="training"))
        batch = Batch.objects.get(name=name)
        drawn.append(set(batch.assignments.values_list("item", flat=True)))
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 6


# The list


def test_the_list_shows_progress_in_a_fixed_number_of_queries(client, project, django_assert_num_queries):
    create_response(project)
    client.get(url("batches", project))
    for _ in range(4):
        create_batch(project)
    with django_assert_num_queries(
        7
    ):  # session, user, member; count, page, progress, whether there are items
        response = client.get(url("batches", project))
    assert response.text.count("0 / 2") == 4


def test_progress_counts_items_whose_seats_are_all_filled():
    project = create_project()
    raters = study(project, prompts=2, models=("a",), raters=2)
    batch = create_batch(project)
    first = batch.assignments.order_by("item", "seat")
    rate(first[0], raters[0], BOTH)
    rate(first[1], raters[1], BOTH)
    rate(first[2], raters[0], BOTH)
    assert progress_of([batch])[batch.pk] == Progress(
        items=2, items_done=1, seats=4, submitted=3, open=0, planned=0, empty=1
    )


def test_a_skipped_seat_counts_once_through_the_one_that_replaces_it():
    project = create_project()
    (rater, *_others) = study(project, prompts=1, models=("a",))
    batch = create_batch(project)
    batch.assignments.filter(seat=1).update(state="planned", rater=rater)
    batch.assignments.filter(seat=1).update(state="skipped", skip_reason="no")
    assert progress_of([batch])[batch.pk] == Progress(items=1, seats=2, empty=2)


# Its page


@pytest.fixture
def batch(project):
    """Six items; one item done, by R-two and R-three, who disagree on whether it can be judged."""
    raters = study(project)
    batch = create_batch(project)
    seats = list(batch.assignments.order_by("item", "seat"))
    rate(seats[0], raters[0], {"relevance": 1, "fluency": None})
    rate(seats[1], raters[1], BOTH)
    Assignment.objects.filter(pk=seats[1].pk).update(flagged=True, comment="Ends in the middle.", seconds=65)
    now = timezone.now()
    batch.assignments.filter(pk=seats[2].pk).update(
        state="open", rater=raters[2], opened_at=now, lease_until=now + timedelta(hours=1)
    )
    return batch


def test_the_page_says_what_needs_attention(client, project, batch):
    response = client.get(url("batch", project, batch.pk))
    assert response.context["progress"].items_done == 1
    assert "Ends in the middle." in response.text
    (conflict,) = response.context["conflicts"]
    assert [axis.key for axis in conflict.axes] == ["fluency"]
    assert len(response.context["open_seats"]) == 1
    assert "1:05" in response.text
    assert response.context["design"].n_raters == 3


def test_the_page_asks_as_often_for_much_work(client, project, batch, django_assert_num_queries):
    address = url("batch", project, batch.pk)
    client.get(address)
    queries = 15
    cache.clear()
    with django_assert_num_queries(queries):
        client.get(address)
    raters = [create_member(project) for _ in range(4)]
    for seat, rater in zip(batch.assignments.empty().order_by("pk"), raters, strict=False):
        rate(seat, rater, {"relevance": None, "fluency": 3})
    with django_assert_num_queries(queries):
        client.get(address)


def test_agreeing_that_nobody_can_judge_is_no_conflict(project):
    raters = study(project, prompts=1, models=("a",))
    batch = create_batch(project)
    for seat, rater in zip(batch.assignments.all(), raters, strict=False):
        rate(seat, rater, {"relevance": None, "fluency": 3})
    assert conflicts_of(batch, limit=5) == ([], 0)


def test_remarks_and_conflicts_have_pages_of_their_own(client, project, batch):
    assert "Ends in the middle." in client.get(url("batch_remarks", project, batch.pk)).text
    assert "Fluency" in client.get(url("batch_conflicts", project, batch.pk)).text


def test_a_batch_that_is_late_says_so(client, project, batch):
    Batch.objects.filter(pk=batch.pk).update(due_on="2020-01-01")
    assert "overdue" in client.get(url("batch", project, batch.pk)).text
    client.post(url("move_batch", project, batch.pk), {"move": "close"})
    assert "overdue" not in client.get(url("batch", project, batch.pk)).text


# Changing it


def test_it_is_paused_resumed_closed_and_opened_again(client, project, batch):
    for move, state in [("pause", "paused"), ("resume", "open"), ("close", "closed"), ("reopen", "open")]:
        response = client.post(url("move_batch", project, batch.pk), {"move": move})
        assert response.url == url("batch", project, batch.pk)
        batch.refresh_from_db()
        assert batch.state == state


def test_a_move_that_makes_no_sense_is_refused_in_words(client, project, batch):
    client.post(url("move_batch", project, batch.pk), {"move": "close"})
    response = client.post(url("move_batch", project, batch.pk), {"move": "pause"}, follow=True)
    assert "That is not possible while the batch is closed." in response.text
    response = client.post(url("move_batch", project, batch.pk), {"move": "delete"}, follow=True)
    assert "can be paused, resumed, closed or opened again" in response.text


def test_a_lease_is_extended(client, project, batch):
    seat = batch.assignments.open().get()
    response = client.post(
        url("extend_lease", project, batch.pk), {"key": str(seat.key), "hours": "4"}, follow=True
    )
    assert "has time until" in response.text
    before = seat.lease_until
    seat.refresh_from_db()
    assert seat.lease_until - before == timedelta(hours=4)


def test_extending_explains_what_is_wrong(client, project, batch):
    address = url("extend_lease", project, batch.pk)
    seat = batch.assignments.submitted().first()
    given_back = client.post(address, {"key": str(seat.key), "hours": "4"}, follow=True)
    assert "finished or given back meanwhile" in given_back.text
    assert "Choose how much longer." in client.post(address, {"key": str(seat.key)}, follow=True).text
    assert client.post(address, {"key": str(uuid.uuid4()), "hours": "4"}).status_code == 404


def test_withdrawing_says_what_it_means_and_wants_a_reason(client, project, batch):
    rater = batch.assignments.submitted().first().rater
    address = url("withdraw_rater", project, batch.pk, rater.pseudonym)
    assert "1 rating no longer counts" in client.get(address).text
    assert client.post(address, {"reason": "  "}).status_code == 422
    assert batch.assignments.submitted().count() == 2
    response = client.post(address, {"reason": "The same score on everything."}, follow=True)
    assert "no longer counts" in response.text
    withdrawn = batch.assignments.get(state="withdrawn")
    assert withdrawn.skip_reason == "The same score on everything."
    assert progress_of([batch])[batch.pk].seats == 12


def test_whoever_has_nothing_there_cannot_be_withdrawn(client, project, batch):
    nobody = create_member(project)
    address = url("withdraw_rater", project, batch.pk, nobody.pseudonym)
    assert "neither ratings nor seats" in client.get(address).text
