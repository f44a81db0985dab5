import pytest
from django.urls import reverse

from tests.factories import create_batch, create_member, create_project, create_response, create_user, rate

pytestmark = pytest.mark.django_db


def home(client):
    return client.get(reverse("projects:home"))


def test_somebody_without_a_project_is_told_what_to_do(client):
    client.force_login(create_user())
    response = home(client)
    assert response.status_code == 200
    assert "You are not in a project yet" in response.text
    assert reverse("projects:new") not in response.text


def test_staff_are_offered_to_make_a_project(client):
    client.force_login(create_user(is_staff=True))
    assert reverse("projects:new") in home(client).text


def test_a_rater_sees_what_waits_and_no_models(client):
    project = create_project()
    for _ in range(3):
        create_response(project)
    batch = create_batch(project)
    rater = create_member(project)
    client.force_login(rater.user)
    text = home(client).text
    assert "<strong>3</strong> responses need a rater." in text
    assert f'href="{reverse("projects:project", args=[project.slug])}"' not in text

    rate(batch.assignments.first(), rater, {"relevance": 1, "fluency": 2})
    text = home(client).text
    assert "<strong>2</strong> responses need a rater." in text
    assert "1 rated by me" in text


@pytest.mark.parametrize(
    ("terms", "waiting"),
    [
        ({"open_to": "group", "group": "students"}, True),
        ({"open_to": "group", "group": "professionals"}, False),
        ({"open_to": "named"}, False),
        ({"state": "paused"}, False),
    ],
)
def test_what_waits_follows_the_terms_of_the_batch(client, terms, waiting):
    project = create_project()
    create_response(project)
    create_batch(project, **terms)
    rater = create_member(project, group="students")
    client.force_login(rater.user)
    assert ("</strong> response needs a rater" in home(client).text) is waiting


def test_a_named_rater_is_told_and_others_are_not(client):
    project = create_project()
    create_response(project)
    named, other = create_member(project), create_member(project)
    create_batch(project, open_to="named").raters.add(named)
    client.force_login(named.user)
    assert "</strong> response needs a rater" in home(client).text
    client.force_login(other.user)
    assert "</strong> response needs a rater" not in home(client).text


def test_a_coordinator_sees_progress(client):
    project = create_project()
    create_response(project)
    batch = create_batch(project)
    rate(batch.assignments.first(), create_member(project), {"relevance": 1, "fluency": 2})
    client.force_login(create_member(project, is_coordinator=True).user)
    response = home(client)
    assert "1 / 2" in response.text
    assert reverse("projects:project", args=[project.slug]) in response.text


def test_other_peoples_projects_and_inactive_memberships_are_not_shown(client):
    hidden, left = create_project(name="Hidden"), create_project(name="Left")
    create_member(hidden)
    former = create_member(left, active=False)
    client.force_login(former.user)
    text = home(client).text
    assert "Hidden" not in text
    assert "Left" not in text


def test_the_number_of_queries_does_not_grow_with_projects(client, django_assert_num_queries):
    user = create_user()
    for _ in range(4):
        project = create_project()
        create_response(project)
        create_batch(project)
        create_member(project, user=user, is_rater=True, is_coordinator=True)
    client.force_login(user)
    home(client)
    with django_assert_num_queries(7):  # session, user, memberships, pool, seats, two for permissions
        assert home(client).status_code == 200


def test_home_needs_a_login(client):
    response = home(client)
    assert response.status_code == 302
    assert response.url.startswith(reverse("account_login"))


def test_home_takes_no_post(client):
    client.force_login(create_user())
    assert client.post(reverse("projects:home")).status_code == 405
