"""Raters work alone and blind: no page, attribute, id or address tells them who wrote a response or what others gave.

The walk goes through every address there is, so that a page added tomorrow is looked at too.
"""

from __future__ import annotations

import re
import uuid
from urllib.parse import quote

import pytest
from django.db import connection
from django.urls import reverse

from annotation.services import claim_next
from exports.models import JudgeRun, JudgeScore
from tests import walk
from tests.factories import (
    create_batch,
    create_member,
    create_project,
    create_prompt,
    create_response,
    create_user,
    rate,
)

pytestmark = pytest.mark.django_db

MODELS = ["Sakuragaoka-13B-instruct", "Umegae-70B-chat", "Momoyama-7B"]
NOT_WALKED = {"admin", "account_logout", "schema"}  # the schema of the API is the same for everybody
HTMX = {"HX-Request": "true", "Accept": "text/html"}
# Rows of which a rater must not learn the numbers: they follow the order of loading, model after model.
TABLES = {
    "projects_languagemodel": 71_000_001,
    "projects_response": 72_000_001,
    "projects_item": 73_000_001,
    "annotation_assignment": 74_000_001,
    "projects_prompt": 75_000_001,
}


@pytest.fixture
def study():
    """Three models; the rater has one item open, one submitted; somebody else has rated everything."""
    with connection.cursor() as cursor:
        for table, first in TABLES.items():
            cursor.execute(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {first}")
    project = create_project(
        slug="blind", axes=("relevance",), raters_see_reference=True, raters_see_checklist=True
    )
    for number in range(2):
        prompt = create_prompt(
            project, key=f"key-of-prompt-{number}", source="source-of-prompt", tags=["tag-of-prompt"]
        )
        for name in MODELS:
            create_response(
                project,
                prompt=prompt,
                model=project.language_models.get_or_create(name=name)[0],
                turns=[f"応答 {number}"],
                generation={"engine": "engine-of-response", "parameters": {"temperature": 0.123456}},
                metadata={"made_by": "maker-of-response"},
            )
    batch = create_batch(project, raters_per_item=2, purpose="gold", name="Batch", seed=987_654_321)
    other = create_member(
        project, user=create_user(username="another-rater", first_name="Anotherfirst"), group="another-group"
    )
    for item in project.items.all():
        seat = batch.assignments.get(item=item, seat=1)
        rate(seat, other, {"relevance": 5})
        type(seat).objects.filter(pk=seat.pk).update(comment="comment-of-another-rater")
    axis = project.current_rubric().axes.get()
    run = JudgeRun.objects.create(project=project, name="Nishikigoi-judge")
    JudgeScore.objects.bulk_create(
        JudgeScore(run=run, item=item, axis=axis, value=4.321, reason="reason-of-a-judge")
        for item in project.items.all()
    )
    rater = create_member(project, user=create_user(username="me"))
    rate(batch.assignments.empty().first(), rater, {"relevance": 2})
    claim_next(rater=rater)
    return project, rater, other


def secrets(other):
    return [
        *MODELS,
        *(str(first // 10)[:6] for first in TABLES.values()),  # any number that these tables give out
        "engine-of-response",
        "0.123456",
        "maker-of-response",
        "source-of-prompt",
        "tag-of-prompt",
        "key-of-prompt",
        "comment-of-another-rater",
        "another-rater",
        "Anotherfirst",
        "another-group",
        other.pseudonym,
        "987654321",
        "gold",
        "Nishikigoi-judge",
        "4.321",
        "reason-of-a-judge",
    ]


def addresses(project, rater, other):
    """Every address, filled with what a curious rater could put there."""
    seats = project.batches.get().assignments
    fill = {
        "project_slug": [project.slug],
        "slug": [project.slug],
        "key": [
            *seats.filter(rater=rater).values_list("key", flat=True),
            seats.filter(rater=other).first().key,
            uuid.uuid4(),
        ],
        "pk": [project.batches.get().pk, project.prompts.first().pk, project.items.first().pk, 1],
        "number": [1],
        "pseudonym": [rater.pseudonym, other.pseudonym],
    }

    return walk.addresses(fill, leave_out=NOT_WALKED)


def told(response):
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return body.decode("utf-8", "replace") + "".join(
        f"\n{name}: {value}" for name, value in response.headers.items()
    )


def test_nothing_that_a_rater_can_open_tells_who_wrote_or_what_others_gave(client, study):
    project, rater, other = study
    client.force_login(rater.user)
    client.raise_request_exception = False
    opened, leaks = [], []
    for address in addresses(project, rater, other):
        for ask in (
            lambda to: client.get(to),
            lambda to: client.get(to, headers=HTMX),
            lambda to: client.get(to, headers={"Accept": "application/json"}),
            lambda to: client.post(to, {"axis:relevance": "9", "scores": "x"}, headers=HTMX),
        ):
            response = ask(address)
            if response.status_code < 300:
                opened.append(address)
            # a page of errors and a way back may quote what was asked for
            said = (
                told(response)
                .replace(address, "")
                .replace(quote(address), "")
                .replace(quote(address, safe=""), "")
            )
            leaks += [f"{address}: {secret}" for secret in secrets(other) if secret in said]
    assert not leaks, "\n".join(leaks)
    # the walk did see the pages, not only errors
    for name in ("annotation:rate", "annotation:my_ratings", "projects:home"):
        args = [] if name == "projects:home" else [project.slug]
        assert reverse(name, args=args) in opened
    own = project.batches.get().assignments.filter(rater=rater)
    assert {reverse("annotation:assignment", args=[project.slug, seat.key]) for seat in own} <= set(opened)


def test_the_walk_would_see_a_leak(client, study):
    project, _, other = study
    coordinator = create_member(project, is_coordinator=True)
    client.force_login(coordinator.user)
    said = told(client.get(reverse("projects:project", args=[project.slug])))
    assert any(secret in said for secret in secrets(other))


def test_the_page_of_an_item_is_the_same_whichever_model_wrote_the_response(client, study):
    """But for the key, which is random, and the ids that the page makes."""
    project, rater, _ = study
    client.force_login(rater.user)
    seats = project.batches.get().assignments
    pages = set()
    for seat in seats.filter(item__prompt=project.prompts.first(), seat=2):
        seats.filter(rater=rater, state="open").update(
            state="empty", rater=None, opened_at=None, lease_until=None
        )
        if seat.rater_id is None:
            seats.filter(pk=seat.pk).update(
                state="open", rater=rater, opened_at="2026-01-01T00:00Z", lease_until="2099-01-01T00:00Z"
            )
            shown = client.get(reverse("annotation:rate", args=[project.slug])).content.decode()
            assert str(seat.key) in shown
            pages.add(re.sub(r'[0-9a-f-]{36}|csrfmiddlewaretoken" value="\w+|X-CSRFToken": "\w+', "", shown))
    assert len(pages) == 1


def test_the_next_item_follows_from_a_shuffle_not_from_the_order_of_loading(study):
    """Raters begin at places of their own: the first items of twelve raters are not all of one model."""
    project, _, _ = study
    batch = create_batch(project, raters_per_item=12, name="Second")
    project.batches.exclude(pk=batch.pk).update(state="paused")
    firsts = {claim_next(rater=create_member(project)).item.response.model.name for _ in range(12)}
    assert len(firsts) > 1
