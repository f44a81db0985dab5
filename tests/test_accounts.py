"""Accounts: by invitation only, once; passwords, language, two-step login."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth import authenticate
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from projects import accounts
from projects.models import Invitation, Member, Project, User
from projects.people import deactivate
from tests.factories import create_member, create_project, create_user

NEW = {"username": "hanako", "password1": "a long enough one", "password2": "a long enough one"}


@pytest.fixture
def project(db) -> Project:
    return create_project(name="Study")


@pytest.fixture
def coordinator(project) -> Member:
    return create_member(project, is_coordinator=True)


@pytest.fixture
def invitation(project, coordinator) -> Invitation:
    invitation, token = accounts.invite(
        project=project, by=coordinator.user, label="H. Sato", group="students"
    )
    invitation.url = reverse("account_invitation", args=[token])
    invitation.token = token
    return invitation


# Invitations


def test_an_invited_person_makes_an_account_and_becomes_a_member(client, invitation):
    assert client.get(invitation.url).status_code == 200

    response = client.post(invitation.url, NEW)

    assert response.status_code == 302
    member = Member.objects.get(user__username="hanako")
    assert (member.pseudonym, member.is_rater, member.is_coordinator, member.group) == (
        "R002",
        True,
        False,
        "students",
    )
    assert int(client.session["_auth_user_id"]) == member.user.pk
    invitation.refresh_from_db()
    assert invitation.member == member


def test_a_person_with_an_account_joins_with_it(client, invitation):
    user = create_user()
    client.force_login(user)

    assert "Take part" in client.get(invitation.url).text
    client.post(invitation.url)

    assert Member.objects.get(user=user).pseudonym == "R002"
    assert User.objects.count() == 2


def test_a_link_works_once(client, invitation):
    client.post(invitation.url, NEW)
    another = Client()

    response = another.post(invitation.url, NEW | {"username": "taro"})

    assert response.status_code == 410
    assert "has been used" in response.text
    assert not User.objects.filter(username="taro").exists()


@pytest.mark.django_db(transaction=True)
def test_a_link_used_by_eight_people_at_once_lets_one_in():
    project = create_project()
    coordinator = create_member(project, is_coordinator=True)
    _, token = accounts.invite(project=project, by=coordinator.user, label="one")
    users = [create_user() for _ in range(8)]

    def try_it(user: User) -> bool:
        try:
            accounts.accept(token=token, user=user)
        except accounts.InvitationNotUsable:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_it, users)) == 1
    assert Member.objects.filter(project=project).count() == 2


@pytest.mark.django_db(transaction=True)
def test_people_who_join_at_once_get_different_pseudonyms():
    project = create_project()
    coordinator = create_member(project, is_coordinator=True)
    pairs = [
        (accounts.invite(project=project, by=coordinator.user, label=str(n))[1], create_user())
        for n in range(8)
    ]

    def join(pair: tuple[str, User]) -> str:
        try:
            return accounts.accept(token=pair[0], user=pair[1]).pseudonym
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(join, pairs)) == [f"R{number:03}" for number in range(2, 10)]


def test_an_expired_link_says_so(client, invitation):
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    response = client.post(invitation.url, NEW)
    assert (response.status_code, "expired" in response.text) == (410, True)
    assert not User.objects.filter(username="hanako").exists()


def test_a_withdrawn_link_says_so(client, invitation):
    assert accounts.revoke(invitation=invitation)
    response = client.get(invitation.url)
    assert (response.status_code, "withdrawn" in response.text) == (410, True)


def test_a_used_invitation_can_not_be_withdrawn(client, invitation):
    client.post(invitation.url, NEW)
    assert not accounts.revoke(invitation=invitation)


def test_an_unknown_link_says_so(client, db):
    response = client.get(reverse("account_invitation", args=["guessed"]))
    assert (response.status_code, "not known" in response.text) == (410, True)


def test_somebody_who_left_and_is_invited_again_comes_back_under_the_same_name(
    client, project, coordinator, invitation
):
    user = create_user()
    client.force_login(user)
    client.post(invitation.url)
    member = Member.objects.get(user=user)
    deactivate(member=member)
    again, token = accounts.invite(
        project=project,
        by=coordinator.user,
        label="H. Sato",
        is_rater=True,
        is_researcher=True,
        group="experts",
    )
    shown = client.post(reverse("account_invitation", args=[token]), follow=True)
    assert f"known as {member.pseudonym}" in shown.text
    back = Member.objects.get(user=user)
    assert (back.pk, back.pseudonym, back.active) == (member.pk, member.pseudonym, True)
    assert (back.is_rater, back.is_researcher, back.is_coordinator, back.group) == (
        True,
        True,
        False,
        "experts",
    )
    again.refresh_from_db()
    assert list(back.invitations.order_by("pk")) == [invitation, again]
    project.refresh_from_db()
    assert project.people_so_far == 2  # nobody new
    assert client.post(reverse("account_invitation", args=[token])).status_code == 410


def test_a_member_who_opens_a_second_link_leaves_it_to_somebody_else(
    client, project, coordinator, invitation
):
    client.force_login(coordinator.user)
    client.post(invitation.url)
    invitation.refresh_from_db()
    assert invitation.member is None
    project.refresh_from_db()
    assert project.people_so_far == 1


def test_the_token_is_not_in_the_database(invitation):
    assert invitation.token not in str(Invitation.objects.values().get())


def test_bad_input_comes_back_explained_and_leaves_the_link_good(client, invitation):
    response = client.post(invitation.url, NEW | {"password2": "another"})
    assert response.status_code == 422
    assert "didn’t match" in response.text
    assert client.post(invitation.url, NEW).status_code == 302


@pytest.mark.parametrize("password", ["short", "password", "1234567890", "hanako123"])
def test_weak_passwords_are_refused(client, invitation, password):
    assert (
        client.post(invitation.url, NEW | {"password1": password, "password2": password}).status_code == 422
    )


def test_a_user_name_is_taken_in_whatever_case(client, invitation):
    create_user(username="Hanako")
    assert client.post(invitation.url, NEW).status_code == 422


def test_nobody_signs_up_without_an_invitation(client, db):
    url = reverse("account_signup")
    assert "invitation only" in client.get(url).text
    client.post(url, NEW)
    assert not User.objects.exists()


# Log in


def test_one_logs_in_by_user_name_or_address(db):
    user = create_user(username="hanako", email="hanako@lab.example", password="a long enough one")
    for name in ["hanako", "hanako@lab.example", "Hanako@Lab.example"]:
        client = Client()
        response = client.post(reverse("account_login"), {"login": name, "password": "a long enough one"})
        assert response.status_code == 302, name
        assert int(client.session["_auth_user_id"]) == user.pk


def test_guessing_is_slowed_down(client, db):
    from django.core.cache import cache

    cache.clear()
    create_user(username="hanako", password="a long enough one")
    for _ in range(6):
        client.post(reverse("account_login"), {"login": "hanako", "password": "wrong"})
    client.post(reverse("account_login"), {"login": "hanako", "password": "a long enough one"})
    assert "_auth_user_id" not in client.session
    cache.clear()


def test_a_room_full_of_raters_logs_in_from_one_address(db):
    from django.core.cache import cache

    cache.clear()
    for number in range(60):
        create_user(username=f"rater{number}", password="a long enough one")
        answer = Client().post(
            reverse("account_login"), {"login": f"rater{number}", "password": "a long enough one"}
        )
        assert answer.status_code == 302, number


def test_too_many_attempts_are_explained(client, db, settings):
    from django.core.cache import cache

    cache.clear()
    settings.ACCOUNT_RATE_LIMITS = {"login": "1/m/ip"}
    for _ in range(2):
        answer = client.post(reverse("account_login"), {"login": "hanako", "password": "wrong"})
    assert (answer.status_code, "Too many attempts" in answer.text) == (429, True)
    cache.clear()


def test_an_open_session_is_not_written_with_each_request(client, db, django_assert_num_queries):
    client.force_login(create_user())
    url = reverse("account_preferences")
    client.get(url)
    with django_assert_num_queries(2):  # session, user
        client.get(url)


def test_a_session_in_use_is_prolonged_each_day(client, db, time_machine):
    time_machine.move_to("2026-05-01 09:00+09:00", tick=False)
    client.force_login(create_user())
    for day in range(1, 30, 6):
        time_machine.move_to(f"2026-05-{day:02} 09:00+09:00", tick=False)
        assert client.get(reverse("account_preferences")).status_code == 200, day


# Settings of a person


def test_the_language_of_a_person_holds_on_every_machine(client, db):
    user = create_user()
    client.force_login(user)
    client.post(reverse("account_preferences"), {"language": "ja", "theme": "dark"})

    another = Client()
    another.force_login(user)
    page = another.get(reverse("account_preferences"), headers={"accept-language": "en"}).text

    assert '<html lang="ja" data-theme="dark">' in page


def test_the_language_button_works_for_visitors_and_is_kept_for_members(client, db):
    client.post(reverse("set_language"), {"language": "ja", "next": "/account/login/"})
    assert '<html lang="ja"' in client.get("/account/login/").text

    user = create_user()
    client.force_login(user)
    client.post(reverse("set_language"), {"language": "en"})
    user.refresh_from_db()
    assert user.language == "en"
    client.post(reverse("set_language"), {"language": "xx"})
    user.refresh_from_db()
    assert user.language == "en"


@pytest.mark.parametrize(
    "name", ["account_preferences", "account_email", "mfa_index", "account_change_password"]
)
def test_pages_about_an_account_want_a_login(client, db, name):
    assert client.get(reverse(name)).status_code == 302


@pytest.mark.parametrize(
    "name",
    ["account_preferences", "mfa_index", "account_change_password", "account_logout"],
)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_pages_about_an_account_open_in_both_languages(client, db, name, language):
    client.force_login(create_user(language=language))
    assert f'<html lang="{language}"' in client.get(reverse(name)).text


def test_two_step_login_is_set_up_and_asked_for(client, db):
    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time

    user = create_user(username="hanako", password="a long enough one")
    client.post(reverse("account_login"), {"login": "hanako", "password": "a long enough one"})

    def code(secret: str) -> str:
        return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))

    assert client.get(reverse("mfa_activate_totp")).status_code == 302  # asks for the password again
    client.post(reverse("account_reauthenticate"), {"password": "a long enough one"})
    secret = client.get(reverse("mfa_activate_totp")).context["form"].secret
    response = client.post(reverse("mfa_activate_totp"), {"code": code(secret)}, follow=True)
    assert response.status_code == 200
    assert user.authenticator_set.filter(type="totp").exists()

    another = Client()
    response = another.post(
        reverse("account_login"), {"login": "hanako", "password": "a long enough one"}, follow=True
    )
    assert "_auth_user_id" not in another.session
    assert response.request["PATH_INFO"] == reverse("mfa_authenticate")
    assert "code" in response.text


# Forgotten passwords


def test_without_mail_the_page_says_whom_to_ask(client, db):
    assert "sends no mail" in client.get(reverse("account_reset_password")).text


def test_with_mail_a_link_comes_to_the_address(client, db, settings):
    settings.EMAIL = {"EMAIL_BACKEND": "locmem"}
    create_user(email="hanako@lab.example")
    client.post(reverse("account_reset_password"), {"email": "hanako@lab.example"})
    assert "/account/password/reset/key/" in mail.outbox[0].body


def test_a_coordinator_gives_out_a_link_to_a_new_password(client, rf, project, coordinator):
    rater = create_member(project)
    url = accounts.password_link(user=rater.user, by=coordinator.user, request=rf.get("/"))

    form = client.get(url, follow=True)
    client.post(form.request["PATH_INFO"], {"password1": "a brand new one", "password2": "a brand new one"})

    assert authenticate(username=rater.user.username, password="a brand new one") == rater.user
    assert "does not work any more" in Client().get(url, follow=True).text


def test_no_link_to_the_password_of_somebody_who_is_in_other_projects_too(rf, project, coordinator):
    rater = create_member(project)
    create_member(create_project(), user=rater.user)
    with pytest.raises(PermissionDenied):
        accounts.password_link(user=rater.user, by=coordinator.user, request=rf.get("/"))


@pytest.mark.parametrize("powers", [{"is_staff": True}, {"is_superuser": True}])
def test_no_link_to_the_password_of_staff(project, coordinator, powers):
    member = create_member(project, user=create_user(**powers))
    assert not accounts.may_reset_password(user=member.user, by=coordinator.user)


def test_a_rater_gives_out_no_links(project):
    assert not accounts.may_reset_password(user=create_member(project).user, by=create_member(project).user)


def test_changing_the_address_asks_for_the_password_again(client, db, time_machine):
    time_machine.move_to("2026-05-01 09:00+09:00", tick=False)
    user = create_user(username="hanako", password="a long enough one")
    client.post(reverse("account_login"), {"login": "hanako", "password": "a long enough one"})
    time_machine.move_to("2026-05-01 12:00+09:00", tick=False)

    assert client.get(reverse("account_email")).status_code == 302
    client.post(reverse("account_email"), {"email": "x@evil.example"})
    user.refresh_from_db()
    assert user.email == ""

    client.post(reverse("account_reauthenticate"), {"password": "a long enough one"})
    client.post(reverse("account_email"), {"email": "hanako@lab.example"})
    user.refresh_from_db()
    assert user.email == "hanako@lab.example"
