"""People: what coordinators see of each, and what they change."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from projects.accounts import accept
from projects.models import Invitation
from projects.people import LastCoordinator, change_member, deactivate
from tests.factories import create_batch, create_member, create_project, create_response, create_user, rate

pytestmark = pytest.mark.django_db


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


def people(client, project):
    return client.get(reverse("projects:people", args=[project.slug]))


def invite(client, project, **said):
    said = {"label": "Hanako", "roles": ["is_rater"], "group": "", "days": "14"} | said
    return client.post(reverse("projects:invite", args=[project.slug]), said)


# The list


def test_the_list_says_how_much_everybody_rated(client, project):
    create_response(project)
    batch = create_batch(project)
    rater = create_member(project, group="students")
    rate(batch.assignments.first(), rater, {"relevance": 1, "fluency": 2})
    response = people(client, project)
    (row,) = [row for row in response.context["page_obj"] if row.pk == rater.pk]
    assert (row.n_submitted, row.n_waiting) == (1, 0)
    assert row.last is not None
    assert rater.user.username in response.text
    assert "students" in response.text


def test_the_list_asks_as_often_for_many_people(client, project, django_assert_num_queries):
    people(client, project)
    for _ in range(8):
        create_member(project)
    with django_assert_num_queries(7):  # session, user, member; count, page; invitations, groups
        people(client, project)


def test_names_stand_on_no_other_page(client, project):
    create_response(project)
    batch = create_batch(project)
    rater = create_member(project, user=create_user(username="tanaka.hanako"))
    rate(batch.assignments.first(), rater, {"relevance": 1, "fluency": 2})
    for name, args in [
        ("projects:project", []),
        ("annotation:batches", []),
        ("annotation:batch", [batch.pk]),
        ("annotation:monitor", []),
    ]:
        assert "tanaka" not in client.get(reverse(name, args=[project.slug, *args])).text
    assert "tanaka" in people(client, project).text


# Invitations


def test_a_link_is_shown_once_and_works(client, project):
    response = invite(client, project, roles=["is_rater", "is_researcher"], group="students")
    link = response.context["link"]
    assert link in response.text
    assert link not in people(client, project).text
    assert "Hanako" in people(client, project).text
    member = accept(token=link.rstrip("/").rsplit("/", 1)[1], user=create_user())
    assert (member.is_rater, member.is_researcher, member.is_coordinator) == (True, True, False)
    assert member.group == "students"
    assert "Hanako" not in people(client, project).text


def test_htmx_gets_the_part_with_the_link_alone(client, project):
    address = reverse("projects:invite", args=[project.slug])
    said = {"label": "Hanako", "roles": ["is_rater"], "days": "7"}
    response = client.post(address, said, headers={"HX-Request": "true"})
    assert "<html" not in response.text
    assert response.context["link"] in response.text


def test_the_link_is_kept_by_no_cache(client, project):
    assert "no-store" in invite(client, project).headers["Cache-Control"]


def test_an_invitation_without_a_role_is_explained(client, project):
    response = invite(client, project, roles=[])
    assert response.status_code == 422
    assert "Give at least one role." in response.text
    assert not Invitation.objects.exists()


def test_a_link_can_be_withdrawn(client, project):
    invite(client, project)
    invitation = Invitation.objects.get()
    response = client.post(reverse("projects:revoke", args=[project.slug, invitation.pk]), follow=True)
    assert "no longer works" in response.text
    invitation.refresh_from_db()
    assert invitation.revoked_at is not None


def test_a_link_of_another_project_cannot_be_withdrawn(client, project):
    elsewhere = create_project()
    invitation = Invitation.objects.create(
        project=elsewhere,
        label="x",
        token_hash="x",
        created_by=create_user(),
        expires_at=timezone.now(),
    )
    assert client.post(reverse("projects:revoke", args=[project.slug, invitation.pk])).status_code == 404


def test_inviting_takes_a_post(client, project):
    assert client.get(reverse("projects:invite", args=[project.slug])).status_code == 405


def test_a_researcher_cannot_invite(client, project):
    client.force_login(create_member(project, is_researcher=True).user)
    assert invite(client, project).status_code == 404
    assert not Invitation.objects.exists()


# One person


def save(client, someone, **said):
    address = reverse("projects:person", args=[someone.project.slug, someone.pseudonym])
    return client.post(address, {"roles": ["is_rater"], "group": ""} | said, follow=True)


def test_roles_and_group_change_and_the_pseudonym_stays(client, project):
    rater = create_member(project)
    pseudonym = rater.pseudonym
    response = save(client, rater, roles=["is_rater", "is_researcher"], group="professionals")
    assert "Saved." in response.text
    rater.refresh_from_db()
    assert (rater.is_researcher, rater.group, rater.pseudonym) == (True, "professionals", pseudonym)


def test_a_person_without_a_role_is_refused(client, project):
    rater = create_member(project)
    response = save(client, rater, roles=[])
    assert response.status_code == 422
    assert "Give at least one role." in response.text
    rater.refresh_from_db()
    assert rater.is_rater


def test_the_last_coordinator_stays(client, project, coordinator):
    response = save(client, coordinator, roles=["is_rater"])
    assert response.status_code == 422
    assert "The project needs a coordinator" in response.text
    response = set_active(client, coordinator, "no")
    assert "The project needs a coordinator" in response.text
    coordinator.refresh_from_db()
    assert coordinator.is_coordinator
    assert coordinator.active


def set_active(client, someone, active):
    address = reverse("projects:set_active", args=[someone.project.slug, someone.pseudonym])
    return client.post(address, {"active": active}, follow=True)


def seats_of_three_kinds(project):
    """A rater with a rating, an open and a planned seat."""
    for _ in range(3):
        create_response(project)
    batch = create_batch(project, filling="planned", raters_per_item=1)
    rater = create_member(project)
    first, second, third = batch.assignments.order_by("pk")
    rate(first, rater, {"relevance": 1, "fluency": 2})
    now = timezone.now()
    batch.assignments.filter(pk=second.pk).update(
        state="open", rater=rater, opened_at=now, lease_until=now + batch.lease
    )
    batch.assignments.filter(pk=third.pk).update(state="planned", rater=rater)
    return batch, rater


def test_deactivating_returns_open_and_planned_seats_and_keeps_ratings(client, project):
    batch, rater = seats_of_three_kinds(project)
    response = set_active(client, rater, "no")
    assert "2 seats of theirs are free for others now." in response.text
    states = list(batch.assignments.order_by("pk").values_list("state", "rater"))
    assert states == [("submitted", rater.pk), ("empty", None), ("empty", None)]
    rater.refresh_from_db()
    assert not rater.active
    assert "takes part again" in set_active(client, rater, "yes").text


def test_somebody_who_stops_rating_gives_their_seats_back(client, project):
    batch, rater = seats_of_three_kinds(project)
    save(client, rater, roles=["is_researcher"])
    assert batch.assignments.filter(state="empty").count() == 2


def test_a_position_of_a_file_has_no_roles_to_change(client, project):
    position = create_member(project, kind="position")
    address = reverse("projects:person", args=[project.slug, position.pseudonym])
    assert "not a person" in client.get(address).text
    client.post(address, {"roles": ["is_coordinator"], "group": ""})
    position.refresh_from_db()
    assert not position.is_coordinator


def test_somebody_of_another_project_is_not_there(client, project):
    other = create_project()
    for _ in range(5):
        elsewhere = create_member(other)
    assert client.get(reverse("projects:person", args=[project.slug, elsewhere.pseudonym])).status_code == 404
    assert client.post(reverse("projects:set_active", args=[project.slug, "R999"])).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_two_coordinators_cannot_both_remove_the_other():
    project = create_project()
    both = [create_member(project, is_coordinator=True) for _ in range(2)]

    def remove(member):
        try:
            change_member(member=member, is_rater=True, is_coordinator=False, is_researcher=False, group="")
        except LastCoordinator:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        removed = list(pool.map(remove, both))
    assert sorted(removed) == [False, True]
    assert project.members.filter(is_coordinator=True).count() == 1


def test_an_inactive_coordinator_does_not_count_as_one(project, coordinator):
    create_member(project, is_coordinator=True, active=False)
    with pytest.raises(LastCoordinator):
        deactivate(member=coordinator)
