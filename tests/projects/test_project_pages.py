"""Overview, prompts and the rubric: who may open them, what they say, how much they ask of the database."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from projects.models import Project
from tests.factories import (
    create_batch,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    create_user,
    rate,
)

pytestmark = pytest.mark.django_db

RUBRIC = b"""
name: Ours
axes:
  - key: tone
    label: {ja: "\xe8\xaa\xbf\xe5\xad\x90", en: Tone}
    points: [{value: 0, label: {en: Rude}}, {value: 1, label: {en: Polite}}]
"""


@pytest.fixture
def project():
    return create_project(name="Helpfulness")


@pytest.fixture
def coordinator(project):
    return create_member(project, is_coordinator=True)


@pytest.fixture
def researcher(project):
    return create_member(project, is_researcher=True)


def page(client, name, project, *args):
    return client.get(reverse(f"projects:{name}", args=[project.slug, *args]))


# Who may open what


LOOKED_AT = ["project", "rubric", "prompts"]
CHANGED = ["people", "new_rubric"]


@pytest.mark.parametrize("name", [*LOOKED_AT, *CHANGED])
def test_a_rater_and_a_stranger_get_404(client, project, name):
    rater, stranger = create_member(project), create_member(create_project(), is_coordinator=True)
    for user in [rater.user, stranger.user] if name != "project" else [stranger.user]:
        client.force_login(user)
        assert page(client, name, project).status_code == 404


@pytest.mark.parametrize("name", [*LOOKED_AT, *CHANGED])
def test_somebody_who_is_not_logged_in_is_asked_to(client, project, name):
    response = page(client, name, project)
    assert response.status_code == 302
    assert response.url.startswith(reverse("account_login"))


@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_researcher_may_look(client, researcher, project, name):
    client.force_login(researcher.user)
    assert page(client, name, project).status_code == 200


@pytest.mark.parametrize("name", CHANGED)
def test_a_researcher_may_not_change(client, researcher, project, name):
    client.force_login(researcher.user)
    assert page(client, name, project).status_code == 404


def test_a_coordinator_who_was_deactivated_gets_404_and_is_told_why(client, project):
    former = create_member(project, is_coordinator=True, active=False)
    client.force_login(former.user)
    response = page(client, "project", project)
    assert response.status_code == 404
    assert "You no longer take part" in response.text
    assert project.name not in response.text


def test_a_rater_who_opens_the_project_gets_to_where_they_rate(client, project):
    client.force_login(create_member(project).user)
    response = page(client, "project", project)
    assert response.status_code == 302
    assert response.headers["Location"] == reverse("annotation:rate", args=[project.slug])


@pytest.mark.parametrize("name", ["project", "prompts", "rubric", "people"])
def test_pages_that_only_show_take_no_post(client, coordinator, project, name):
    client.force_login(coordinator.user)
    assert client.post(reverse(f"projects:{name}", args=[project.slug])).status_code == 405


# Overview


def next_step(response):
    return next(step.name for step in response.context["steps"] if step.next)


def test_an_empty_project_is_told_to_load_first(client, coordinator, project):
    client.force_login(coordinator.user)
    assert next_step(page(client, "project", project)) == "Load prompts and responses"


def test_the_checklist_leads_on_step_by_step(client, coordinator, project):
    client.force_login(coordinator.user)
    create_response(project)
    assert next_step(page(client, "project", project)) == "Invite the raters"
    raters = [create_member(project), create_member(project)]
    assert next_step(page(client, "project", project)) == "Make a batch"
    batch = create_batch(project)
    assert next_step(page(client, "project", project)) == "Watch progress and agreement"
    for seat, rater in zip(batch.assignments.all(), raters, strict=True):
        rate(seat, rater, {"relevance": 1, "fluency": 1})
    assert next_step(page(client, "project", project)) == "Take the data away"


def test_the_overview_counts_what_there_is(client, coordinator, project):
    prompt = create_prompt(project)
    for _ in range(3):
        create_response(project, prompt=prompt, turns=["one", "two"])
    create_batch(project, raters_per_item=1)
    client.force_login(coordinator.user)
    counts = page(client, "project", project).context["counts"]
    assert {
        name: counts[name] for name in ["prompts", "models", "responses", "items", "batches", "seats"]
    } == {
        "prompts": 1,
        "models": 3,
        "responses": 3,
        "items": 6,
        "batches": 1,
        "seats": 6,
    }


def test_other_projects_are_not_counted(client, coordinator, project):
    create_response(create_project())
    client.force_login(coordinator.user)
    assert page(client, "project", project).context["counts"]["responses"] == 0


def test_a_simulated_project_says_so_on_its_pages(client):
    project = create_project(is_simulated=True)
    client.force_login(create_member(project, is_coordinator=True).user)
    for name in ["project", "people", "prompts", "rubric"]:
        assert "a program made them, not people" in page(client, name, project).text


def test_the_overview_asks_as_often_for_many_models(client, coordinator, project, django_assert_num_queries):
    client.force_login(coordinator.user)
    page(client, "project", project)
    for _ in range(5):
        create_response(project)
    with django_assert_num_queries(7):  # session, user, member; counts, seats, rubric, models
        page(client, "project", project)


# Prompts


def test_prompts_are_found_by_words_source_category_and_tag(client, researcher, project):
    wanted = create_prompt(
        project,
        key="jp-1",
        turns=[{"role": "user", "content": "日本の首都はどこですか。"}],
        source="ELYZA",
        category="geography",
        tags=["ja", "short"],
    )
    create_prompt(project, key="en-1", source="Vicuna", category="maths", tags=["en"])
    client.force_login(researcher.user)
    address = reverse("projects:prompts", args=[project.slug])
    for query in [
        {"q": "首都"},
        {"q": "JP-1"},
        {"q": "日本 首都"},
        {"source": "ELYZA"},
        {"category": "geography"},
        {"tag": "short"},
    ]:
        assert [p.key for p in client.get(address, query).context["page_obj"]] == [wanted.key], query
    assert client.get(address, {"q": "首都 Vicuna"}).context["page_obj"].paginator.count == 0


def test_an_unknown_filter_is_explained(client, researcher, project):
    create_prompt(project, source="ELYZA")
    client.force_login(researcher.user)
    response = client.get(reverse("projects:prompts", args=[project.slug]), {"source": "nowhere"})
    assert "There is no such source" in response.text


def test_prompts_come_in_pages_and_htmx_gets_the_list_alone(
    client, researcher, project, django_assert_num_queries
):
    for _ in range(60):
        create_prompt(project, tags=["a"])
    client.force_login(researcher.user)
    address = reverse("projects:prompts", args=[project.slug])
    client.get(address)
    with django_assert_num_queries(8):  # session, user, member; sources, categories, tags; count, page
        response = client.get(address, {"page": 2})
    assert len(response.context["page_obj"]) == 10
    part = client.get(address, headers={"HX-Request": "true"})
    assert "<html" not in part.text
    assert 'id="prompts"' in part.text


def test_a_prompt_stands_with_its_responses_by_model(client, researcher, project, django_assert_num_queries):
    prompt = create_prompt(project, reference="The reference.", checklist=["Says hello"])
    for name in ["zeta", "alpha"]:
        create_response(
            project, prompt=prompt, model=create_model(project, name), turns=[f"**Answer** of {name}"]
        )
    client.force_login(researcher.user)
    page(client, "prompt", project, prompt.pk)
    with django_assert_num_queries(7):  # session, user, member; prompt, responses, before, after
        response = page(client, "prompt", project, prompt.pk)
    assert [shown["response"].model.name for shown in response.context["responses"]] == ["alpha", "zeta"]
    assert "<strong>Answer</strong> of alpha" in response.text
    assert "Says hello" in response.text


def test_what_a_model_wrote_cannot_run(client, researcher, project):
    prompt = create_prompt(project)
    create_response(project, prompt=prompt, turns=["<script>alert(1)</script>"])
    client.force_login(researcher.user)
    assert "<script>alert" not in page(client, "prompt", project, prompt.pk).text


def test_a_prompt_of_another_project_is_not_there(client, researcher, project):
    elsewhere = create_prompt(create_project())
    client.force_login(researcher.user)
    assert page(client, "prompt", project, elsewhere.pk).status_code == 404


# Rubric


def test_a_rubric_in_use_says_why_it_is_frozen(client, researcher, project):
    create_response(project)
    client.force_login(researcher.user)
    assert "No batch uses it yet" in page(client, "rubric", project).text
    create_batch(project)
    text = page(client, "rubric", project).text
    assert "Frozen since" in text
    assert "1 batch uses it." in text


def test_the_rubric_shows_both_languages(client, researcher, project):
    client.force_login(researcher.user)
    text = page(client, "rubric", project).text
    assert "Relevance" in text
    assert "relevance（日本語）" in text
    assert "段階5" in text


def test_a_new_version_comes_from_a_file(client, coordinator, project):
    client.force_login(coordinator.user)
    address = reverse("projects:new_rubric", args=[project.slug])
    file = SimpleUploadedFile("ours.yaml", RUBRIC)
    response = client.post(address, {"preset": "file", "file": file}, follow=True)
    assert "Version 2 is here" in response.text
    assert [axis.key for axis in project.current_rubric().axes.all()] == ["tone"]
    assert "Version 1" in response.text


def test_a_wrong_rubric_file_is_explained_and_nothing_is_kept(client, coordinator, project):
    client.force_login(coordinator.user)
    address = reverse("projects:new_rubric", args=[project.slug])
    file = SimpleUploadedFile("ours.json", b'{"axes": [{"key": "tone", "points": [{"value": "high"}, 2]}]}')
    response = client.post(address, {"preset": "file", "file": file})
    assert response.status_code == 422
    assert "axes[0].points[0].value" in response.text
    assert project.rubrics.count() == 1


def test_a_rubric_file_that_was_forgotten_is_asked_for(client, coordinator, project):
    client.force_login(coordinator.user)
    response = client.post(reverse("projects:new_rubric", args=[project.slug]), {"preset": "file"})
    assert response.status_code == 422
    assert "Choose the file." in response.text


def test_an_older_version_can_be_looked_at(client, coordinator, project):
    client.force_login(coordinator.user)
    client.post(reverse("projects:new_rubric", args=[project.slug]), {"preset": "mt-bench"})
    assert page(client, "rubric_version", project, 1).context["rubric"].number == 1
    assert page(client, "rubric_version", project, 9).status_code == 404


# A new project


def test_only_those_who_may_can_make_a_project(client):
    client.force_login(create_user())
    assert client.get(reverse("projects:new")).status_code == 404
    client.force_login(create_user(is_staff=True))
    assert client.get(reverse("projects:new")).status_code == 200


def test_whoever_makes_a_project_coordinates_it(client):
    user = create_user(is_staff=True)
    client.force_login(user)
    said = {"name": "Study", "name_ja": "調査", "slug": "study", "preset": "llm-jp"}
    response = client.post(reverse("projects:new"), said)
    project = Project.objects.get(slug="study")
    assert response.url == reverse("projects:project", args=["study"])
    assert project.members.get(user=user).is_coordinator
    assert project.current_rubric().axes.count() == 5


def test_a_short_name_that_is_taken_is_explained(client):
    create_project(slug="study")
    client.force_login(create_user(is_staff=True))
    response = client.post(reverse("projects:new"), {"name": "Study", "slug": "study", "preset": "llm-jp"})
    assert response.status_code == 422
    assert "A project of this short name exists." in response.text
    assert Project.objects.count() == 1
