"""Tokens: made and revoked by their owner, shown once, kept as a digest."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from exports.models import AccessToken
from exports.tokens import MOST, digest_of, make_token, owner_of
from tests.factories import create_member, create_project, create_user

pytestmark = pytest.mark.django_db
PROJECTS = "/api/projects/"


@pytest.fixture
def person():
    return create_member(create_project(), is_researcher=True).user


def with_token(token):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def test_a_token_is_made_on_the_page_shown_once_and_opens_the_api(client, person):
    client.force_login(person)
    made = client.post(reverse("exports:tokens"), {"name": "laptop"})
    token = re.search(r'value="(hyotei_[\w-]{43})"', made.content.decode())[1]
    assert "no-store" in made.headers["Cache-Control"]
    assert with_token(token).get(PROJECTS).status_code == 200
    assert token not in client.get(reverse("exports:tokens")).content.decode()
    kept = AccessToken.objects.get()
    assert kept.digest == digest_of(token)
    assert token not in str(AccessToken.objects.values().get())


def test_a_revoked_token_opens_nothing(client, person):
    token = make_token(user=person, name="old")
    client.force_login(person)
    client.post(reverse("exports:revoke_token", args=[AccessToken.objects.get().pk]))
    answer = with_token(token).get(PROJECTS)
    assert answer.status_code == 401
    assert answer.json() == {"detail": "There is no such token, or it was revoked."}


def test_a_token_of_a_closed_account_opens_nothing(person):
    token = make_token(user=person, name="old")
    person.is_active = False
    person.save()
    assert with_token(token).get(PROJECTS).status_code == 401


def test_nobody_sees_or_revokes_anothers_token(client, person):
    make_token(user=person, name="theirs-alone")
    client.force_login(create_user())
    assert "theirs-alone" not in client.get(reverse("exports:tokens")).content.decode()
    assert (
        client.post(reverse("exports:revoke_token", args=[AccessToken.objects.get().pk])).status_code == 404
    )
    assert AccessToken.objects.exists()


def test_two_tokens_of_one_name_and_too_many_come_back_explained(client, person):
    client.force_login(person)
    make_token(user=person, name="laptop")
    again = client.post(reverse("exports:tokens"), {"name": "laptop"})
    assert again.status_code == 422
    assert "You have a token of that name." in again.content.decode()
    assert client.post(reverse("exports:tokens"), {"name": " "}).status_code == 422
    for number in range(MOST - 1):
        make_token(user=person, name=f"t{number}")
    assert (
        "many tokens already" in client.post(reverse("exports:tokens"), {"name": "one more"}).content.decode()
    )
    assert AccessToken.objects.count() == MOST


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer x y", "Bearer hyotei_\u00ff", "Bearer " + "a" * 5000]
)
def test_a_header_that_makes_no_sense_is_no_token(header):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header)
    assert client.get(PROJECTS).status_code == 401


def test_when_a_token_was_used_is_noted_once_an_hour(person, django_assert_num_queries):
    token = make_token(user=person, name="laptop")
    owner_of(token)
    noted = AccessToken.objects.get().last_used_at
    assert noted
    with django_assert_num_queries(1):
        owner_of(token)
    AccessToken.objects.update(last_used_at=timezone.now() - timedelta(hours=2))
    owner_of(token)
    assert AccessToken.objects.get().last_used_at > noted


def test_the_database_keeps_digests_only(person):
    with pytest.raises(IntegrityError, match="token_is_kept_as_a_digest"):
        AccessToken.objects.create(user=person, name="plain", digest="hyotei_secret")


def test_a_session_opens_the_api_but_writes_only_with_its_csrf_token(person):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(person)
    assert browser.get(PROJECTS).status_code == 200
    answer = browser.post("/api/projects/x/next/", content_type="application/json")
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["detail"]


def test_a_token_opens_no_pages(person):
    token = make_token(user=person, name="laptop")
    page = Client().get(reverse("exports:tokens"), headers={"Authorization": f"Bearer {token}"})
    assert page.status_code == 302


def test_whoever_asks_too_often_is_told_to_wait(person, monkeypatch):
    from rest_framework.throttling import UserRateThrottle

    monkeypatch.setattr(UserRateThrottle, "THROTTLE_RATES", {"user": "3/min"})
    client = with_token(make_token(user=person, name="laptop"))
    answers = [client.get(PROJECTS) for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["Retry-After"]) <= 60


def test_the_page_about_the_api_is_for_people_who_are_logged_in(client, person):
    assert client.get(reverse("exports:api_docs")).status_code == 302
    client.force_login(person)
    assert reverse("api:schema") in client.get(reverse("exports:api_docs")).content.decode()
