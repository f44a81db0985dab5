"""What nobody sends by mistake is refused in words, and is no failure of the server."""

from __future__ import annotations

import base64
import json
import uuid

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from annotation.models import Assignment
from annotation.services import claim_next
from tests.factories import create_batch, create_item, create_member, create_model, create_project

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def project():
    project = create_project(slug="study")
    for _ in range(3):
        create_item(project, model=create_model(project))
    return project


@pytest.fixture
def batch(project):
    return create_batch(project, name="main-1")


@pytest.fixture
def coordinator(project, client):
    member = create_member(project, is_coordinator=True)
    client.raise_request_exception = False
    client.force_login(member.user)
    return member


@pytest.fixture
def rater(project, batch):
    return create_member(project)


@pytest.fixture
def api(rater):
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(rater.user)
    return client


@pytest.mark.parametrize("name", ["person", "set_active"])
def test_a_pseudonym_with_nul_is_nobody(client, project, coordinator, name):
    address = reverse(f"projects:{name}", args=[project.slug, "R001\0"])
    assert client.post(address).status_code == 404


def test_a_rater_with_nul_cannot_be_withdrawn(client, project, coordinator, batch):
    assert client.get(f"/p/{project.slug}/batches/{batch.pk}/withdraw/%00/").status_code == 404


@pytest.mark.parametrize("position", ["abc", "\0", "-1", "1.5", "²"])
@pytest.mark.parametrize("name", ["prompts", "ratings"])
def test_a_cursor_that_was_made_up_is_not_found(client, project, coordinator, name, position):
    cursor = base64.b64encode(f"p={position}".encode()).decode()
    answer = client.get(reverse(f"api:{name}", args=[project.slug]), {"cursor": cursor})
    assert answer.status_code == 404
    assert answer.json()["detail"] == "Invalid cursor"


def test_a_cursor_beyond_all_rows_is_an_empty_page(client, project, coordinator):
    cursor = base64.b64encode(f"p={10**40}".encode()).decode()
    answer = client.get(reverse("api:responses", args=[project.slug]), {"cursor": cursor})
    assert answer.json()["results"] == []


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
@pytest.mark.parametrize("name", ["rated_after", "rated_before"])
def test_a_moment_outside_of_all_calendars_is_refused(client, project, coordinator, name, moment):
    answer = client.get(reverse("api:ratings", args=[project.slug]), {name: moment})
    assert answer.status_code == 400
    assert list(answer.json()) == [name]


@pytest.mark.parametrize("name", ["next", "submit", "skip"])
@pytest.mark.parametrize("nested", ["[" * 100_000, '{"scores":' * 50_000])
def test_json_nested_without_end_is_malformed(api, project, rater, name, nested):
    key = [] if name == "next" else [claim_next(rater=rater).key]
    answer = api.post(
        reverse(f"api:{name}", args=[project.slug, *key]), nested, content_type="application/json"
    )
    assert answer.status_code == 400


def test_half_a_character_as_the_key_of_an_axis_is_an_unknown_axis(api, project, rater):
    sent = json.dumps({"submission_id": str(uuid.uuid4()), "scores": {"\ud800": 1}})
    address = reverse("api:submit", args=[project.slug, claim_next(rater=rater).key])
    answer = api.post(address, sent, content_type="application/json")
    assert answer.status_code == 400
    assert "?" in answer.json()["scores"]


def test_a_form_in_an_encoding_that_browsers_do_not_send_is_refused(client, project, rater):
    """Django's own answer reads the form a second time, and fails of it."""
    client.force_login(rater.user)
    client.raise_request_exception = False
    client.handler.enforce_csrf_checks = True
    client.cookies["csrftoken"] = "a" * 32
    answer = client.post(
        reverse("annotation:skip", args=[project.slug, uuid.uuid4()]),
        b"a=1",
        content_type="application/x-www-form-urlencoded; charset=utf-16",
    )
    assert answer.status_code == 400
    assert answer.content == b"This request could not be read."


def test_progress_of_thousands_of_digits_is_counted_anew(client, project, rater):
    client.force_login(rater.user)
    seat = claim_next(rater=rater)
    today = client.get(reverse("annotation:rate", args=[project.slug]))
    batch, _done, planned, done_today, day = today.context["carried"].split(":")
    sent = {f"axis:{axis.key}": "3" for axis in seat.batch.rubric.axes.all()}
    sent |= {"progress": ":".join([batch, "9" * 4299 + "8", planned, done_today, day])}
    client.raise_request_exception = False
    answer = client.post(reverse("annotation:submit", args=[project.slug, seat.key]), sent, headers=HTMX)
    assert answer.status_code == 200
    assert Assignment.objects.submitted().filter(rater=rater).count() == 1
