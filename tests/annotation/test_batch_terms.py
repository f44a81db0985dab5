"""What of a batch can be changed while it is worked on: the due date, the lease, and who may rate."""

from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from annotation.models import Batch
from annotation.services import Raters, change_terms, claim_next, close, make_batch
from annotation.services.errors import BatchIsNotOpen, HandingOutError, UnknownRaters
from tests.factories import create_batch, create_member, create_project, create_response

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def project():
    project = create_project()
    for _ in range(3):
        create_response(project)
    return project


@pytest.fixture
def raters(project):
    return [create_member(project) for _ in range(3)]


@pytest.fixture
def batch(project, raters):
    """A pool, given to the first two by name."""
    return make_batch(project=project, name="first", raters=Raters.by_name(raters[:2]), seed=1)


@pytest.fixture
def client(client, project):
    client.force_login(create_member(project, is_rater=False, is_coordinator=True).user)
    return client


def page(batch):
    return reverse("annotation:batch_terms", args=[batch.project.slug, batch.pk])


def terms(batch, **changed):
    return {"batch": batch, "lease": batch.lease, "due_on": batch.due_on} | changed


# The service


def test_a_new_lease_counts_for_what_is_taken_from_now_on(batch, raters):
    before = claim_next(rater=raters[0], batch=batch)
    change_terms(**terms(batch, lease=24 * HOUR))
    after = claim_next(rater=raters[1], batch=batch)
    before.refresh_from_db()
    assert before.lease_until - before.opened_at == 2 * HOUR
    assert after.lease_until - after.opened_at == 24 * HOUR


def test_a_rater_who_is_added_finds_a_seat(batch, raters):
    assert claim_next(rater=raters[2], batch=batch) is None
    assert change_terms(**terms(batch, more_raters=raters[1:])) == 1  # the other was there before
    assert claim_next(rater=raters[2], batch=batch) is not None
    assert set(batch.raters.all()) == set(raters)


def test_the_due_date_can_be_moved_and_taken_away(batch):
    change_terms(**terms(batch, due_on=date(2030, 1, 1)))
    assert Batch.objects.get(pk=batch.pk).due_on == date(2030, 1, 1)
    change_terms(**terms(batch, due_on=None))
    assert Batch.objects.get(pk=batch.pk).due_on is None


@pytest.mark.parametrize("lease", [timedelta(0), timedelta(seconds=59), timedelta(days=61)])
def test_a_lease_has_bounds(batch, lease):
    with pytest.raises(HandingOutError, match="minute to 60 days"):
        change_terms(**terms(batch, lease=lease))


def test_nobody_of_elsewhere_nobody_who_left_and_no_position_is_added(batch, project):
    for wrong in [
        create_member(create_project()),
        create_member(project, active=False),
        create_member(project, is_rater=False, is_researcher=True),
        create_member(project, kind="position", user=None),
    ]:
        with pytest.raises(UnknownRaters):
            change_terms(**terms(batch, lease=5 * HOUR, more_raters=[wrong]))
    batch.refresh_from_db()
    assert batch.lease == 2 * HOUR  # all or nothing
    assert batch.raters.count() == 2


def test_raters_are_added_where_they_were_named_and_take_seats_from_a_pool(project, raters):
    named = Raters.by_name(raters[:2])
    planned = make_batch(project=project, name="planned", filling="planned", raters=named, seed=1)
    for other in [planned, create_batch(project)]:
        with pytest.raises(HandingOutError, match="given to raters by name"):
            change_terms(**terms(other, more_raters=raters[2:]))
        change_terms(**terms(other, lease=5 * HOUR))  # the rest can be changed all the same


def test_a_closed_batch_gets_no_more_raters(batch, raters):
    close(batch=batch)
    with pytest.raises(BatchIsNotOpen):
        change_terms(**terms(batch, more_raters=raters[2:]))


def test_nothing_of_a_loaded_batch_can_be_changed(project):
    loaded = create_batch(project, filling="loaded")
    with pytest.raises(HandingOutError, match="loaded"):
        change_terms(**terms(loaded))


# The page


def test_a_coordinator_changes_the_terms(client, batch, raters):
    shown = client.get(reverse("annotation:batch", args=[batch.project.slug, batch.pk]))
    assert page(batch) in shown.text
    form = client.get(page(batch)).context["form"]
    assert form["lease"].value() == 2
    assert [rater.pk for rater in form.fields["raters"].queryset] == [raters[2].pk]
    due = timezone.localdate() + timedelta(days=3)
    sent = {"due_on": due.isoformat(), "lease": "24", "raters": [raters[2].pk]}
    response = client.post(page(batch), sent, follow=True)
    assert "1 rater was added." in response.text
    batch.refresh_from_db()
    assert (batch.due_on, batch.lease) == (due, 24 * HOUR)
    assert batch.raters.count() == 3


def test_sending_the_form_untouched_changes_nothing(client, batch):
    Batch.objects.filter(pk=batch.pk).update(due_on=date(2020, 1, 1), lease=timedelta(minutes=45))
    form = client.get(page(batch)).context["form"]
    assert "45 minutes" in str(form["lease"])
    sent = {"due_on": "2020-01-01", "lease": form["lease"].value()}
    assert client.post(page(batch), sent).status_code == 302
    batch.refresh_from_db()
    assert (batch.due_on, batch.lease) == (date(2020, 1, 1), timedelta(minutes=45))


def test_what_is_wrong_is_said(client, batch):
    response = client.post(page(batch), {"due_on": "2020-01-01", "lease": "1000"})
    assert response.status_code == 422
    assert "This day is over." in response.text
    assert "lease" in response.context["form"].errors


def test_somebody_elses_raters_cannot_be_smuggled_in(client, batch):
    stranger = create_member(create_project())
    response = client.post(page(batch), {"lease": "2", "raters": [stranger.pk]})
    assert response.status_code == 422
    assert batch.raters.count() == 2


def test_where_raters_cannot_be_added_none_are_offered_and_the_page_says_why(client, project, batch, raters):
    of_group = Batch.OpenTo.GROUP
    planned = make_batch(
        project=project, name="planned", filling="planned", raters=Raters.by_name(raters[:2]), seed=1
    )
    for other, why in [
        (create_batch(project), "Every rater of the project may take seats"),
        (create_batch(project, open_to=of_group, group="students"), "of the group “students” may take seats"),
        (planned, "shared out already"),
    ]:
        shown = client.get(page(other))
        assert "raters" not in shown.context["form"].fields
        assert why in shown.text
        assert "raters can be added" not in shown.text
    assert "raters can be added" in client.get(page(batch)).text
    change_terms(**terms(batch, more_raters=raters))
    assert "is in the batch already" in client.get(page(batch)).text
    close(batch=batch)
    assert "The batch is closed" in client.get(page(batch)).text


def test_others_and_loaded_batches_have_no_such_page(client, project, batch, raters):
    assert client.get(page(create_batch(project, filling="loaded"))).status_code == 404
    assert client.put(page(batch)).status_code == 405
    researcher = create_member(project, is_rater=False, is_researcher=True)
    stranger = create_member(create_project(), is_coordinator=True)
    for someone in [raters[0], researcher, stranger]:
        client.force_login(someone.user)
        assert client.get(page(batch)).status_code == 404
        assert client.post(page(batch), {"lease": "24"}).status_code == 404
    client.force_login(researcher.user)
    shown = client.get(reverse("annotation:batch", args=[project.slug, batch.pk]))
    assert page(batch) not in shown.text
