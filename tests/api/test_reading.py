"""Reading over the API: projects, prompts, responses, batches and ratings, for those who may."""

from __future__ import annotations

import re

import pytest
import yaml
from django.core.management import call_command
from django.urls import reverse

from annotation.models import Assignment
from tests.factories import (
    create_batch,
    create_item,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    create_user,
    rate,
)

pytestmark = pytest.mark.django_db

LISTS = ["prompts", "responses", "batches", "ratings"]


@pytest.fixture
def project():
    """Three responses of two models, the first two rated by two people each."""
    project = create_project(slug="study", name="Study")
    swallow, calm = create_model(project, "swallow"), create_model(project, "calm")
    prompt = create_prompt(project, key="elyza###0", source="elyza", tags=["math", "ja"], metadata={"n": 1})
    for model in (swallow, calm):
        create_response(project, prompt=prompt, model=model, turns=["一", "二"], generation={"seed": 1})
    create_item(project, model=calm)
    batch = create_batch(project, name="main-1", items=list(project.items.filter(turn=1)[:2]))
    first, second = create_member(project), create_member(project)
    for seat in batch.assignments.all():
        rate(seat, [first, second][seat.seat - 1], {"relevance": seat.seat, "fluency": None})
    return project


@pytest.fixture
def client(api, project):
    return api(create_member(project, is_researcher=True).user)


def address(name):
    return reverse(f"api:{name}", args=["study"])


def results(client, name, **query):
    answer = client.get(address(name), query)
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def test_i_see_the_projects_i_belong_to_with_my_roles_and_no_others(api, project):
    member = create_member(project, is_coordinator=True, is_rater=True)
    second = create_member(create_project(slug="another"), user=member.user, is_researcher=True)
    create_member(create_project(slug="left"), user=member.user, active=False)
    create_project(slug="strange")
    answer = api(member.user).get(reverse("api:projects")).json()
    assert [(one["slug"], one["roles"], one["pseudonym"]) for one in answer["results"]] == [
        ("study", ["rater", "coordinator"], member.pseudonym),
        ("another", ["researcher"], second.pseudonym),
    ]
    assert api(member.user).get(reverse("api:project", args=["study"])).json()["name"] == "Study"
    for slug in ["left", "strange"]:
        assert api(member.user).get(reverse("api:project", args=[slug])).status_code == 404


@pytest.mark.parametrize("name", LISTS)
def test_coordinators_and_researchers_read_and_nobody_else_finds_the_project(api, project, name):
    for role in ["is_coordinator", "is_researcher"]:
        assert api(create_member(project, **{role: True}).user).get(address(name)).status_code == 200
    people = [
        create_user(),
        create_member(project).user,
        create_member(project, is_coordinator=True, active=False).user,
        create_member(create_project(), is_coordinator=True).user,
        create_user(is_superuser=True, is_staff=True),
    ]
    for user in people:
        assert api(user).get(address(name)).status_code == 404
    assert api().get(address(name)).status_code == 401


@pytest.mark.parametrize("name", LISTS)
def test_reading_changes_nothing(client, name):
    for method in ["post", "put", "patch", "delete"]:
        assert getattr(client, method)(address(name)).status_code == 405


def test_prompts_are_as_they_were_loaded(client):
    first = results(client, "prompts")[0]
    assert first["prompt_id"] == "elyza###0"
    assert first["tags"] == ["math", "ja"]
    assert first["turns"][0]["role"] == "user"
    assert first["metadata"] == {"n": 1}


def test_responses_say_which_model_wrote_them_and_how(client):
    first = results(client, "responses")[0]
    assert first == {
        "prompt_id": "elyza###0",
        "model": "swallow",
        "sample": 0,
        "turns": ["一", "二"],
        "generation": {"seed": 1},
        "metadata": {},
        "truncated": [],
    }


def test_ratings_keep_missing_cannot_judge_and_zero_apart(client):
    ratings = results(client, "ratings")
    assert len(ratings) == 4
    assert ratings[0]["scores"] == {
        "relevance": {"score": 1, "na_reason": None},
        "fluency": {"score": None, "na_reason": "unsure"},
    }
    assert (ratings[0]["prompt_id"], ratings[0]["model"], ratings[0]["rater"]) == (
        "elyza###0",
        "swallow",
        "R001",
    )


def test_withdrawn_and_open_ratings_are_not_listed(client):
    Assignment.objects.filter(rater__pseudonym="R002").update(state="withdrawn")
    assert {one["rater"] for one in results(client, "ratings")} == {"R001"}


def test_batches_say_how_far_they_are(client):
    [batch] = results(client, "batches")
    assert (batch["name"], batch["seats"], batch["submitted"], batch["rubric"]) == ("main-1", 4, 4, 1)


@pytest.mark.parametrize(
    ("name", "query", "count"),
    [
        ("prompts", {"source": "elyza"}, 1),
        ("prompts", {"prompt_id": "elyza###0"}, 1),
        ("prompts", {"tag": "math"}, 1),
        ("prompts", {"tag": "mat"}, 0),
        ("responses", {"model": "calm"}, 2),
        ("responses", {"prompt_id": "elyza###0"}, 2),
        ("responses", {"source": "elyza", "model": "calm"}, 1),
        ("ratings", {"rater": "R001"}, 2),
        ("ratings", {"model": "calm"}, 2),
        ("ratings", {"batch": "main-1"}, 4),
        ("ratings", {"batch": "other"}, 0),
        ("ratings", {"purpose": "main"}, 4),
        ("ratings", {"turn": 2}, 0),
        ("ratings", {"flagged": "true"}, 0),
        ("ratings", {"rated_after": "2000-01-01T00:00:00Z"}, 4),
        ("ratings", {"rated_before": "2000-01-01T00:00:00Z"}, 0),
    ],
)
def test_lists_are_narrowed(client, name, query, count):
    assert len(results(client, name, **query)) == count


def test_a_filter_that_makes_no_sense_is_explained(client):
    answer = client.get(address("ratings"), {"purpose": "fun"})
    assert answer.status_code == 400
    assert "purpose" in answer.json()


def test_pages_follow_each_other_while_rows_arrive(client, project):
    seen, query = [], {"page_size": 3}
    answer = client.get(address("ratings"), query).json()
    extra = create_batch(project, name="later", items=[create_item(project)])
    for seat in extra.assignments.all():
        rate(seat, create_member(project), {"relevance": 1, "fluency": 1})
    while True:
        seen += [one["key"] for one in answer["results"]]
        if answer["next"] is None:
            break
        answer = client.get(answer["next"]).json()
    assert len(seen) == len(set(seen)) == 6
    assert len(client.get(address("ratings"), {"page_size": 100_000}).json()["results"]) == 6


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_as_many_statements_for_many_rows_as_for_few(
    client, project, name, django_assert_max_num_queries
):
    for number in range(5):
        item = create_item(project)
        batch = create_batch(project, name=f"batch-{number}", items=[item], raters_per_item=1)
        rate(batch.assignments.get(), create_member(project), {"relevance": 1, "fluency": 1})
    with django_assert_max_num_queries(4):
        assert len(results(client, name)) >= 6


def test_the_schema_is_valid_and_names_every_address(tmp_path):
    file = tmp_path / "schema.yml"
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(file))
    schema = yaml.safe_load(file.read_text())
    assert "/api/projects/{project_slug}/seats/{key}/submit/" in schema["paths"]
    assert schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    components = schema["components"]["schemas"]
    assert set(re.findall(r"#/components/schemas/(\w+)", file.read_text())) <= set(components)
    seat = components["Seat"]["properties"]
    assert not {"model", "rater", "prompt_id"} & set(seat)


def test_the_schema_is_for_people_who_are_logged_in(api):
    assert api().get(reverse("api:schema")).status_code == 401
    assert api(create_user()).get(reverse("api:schema")).status_code == 200
