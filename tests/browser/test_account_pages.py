"""Logging in and out as a person does."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.urls import reverse
from playwright.sync_api import expect

from projects import accounts
from projects.models import Member
from tests.factories import create_member, create_project, create_user


def test_a_person_logs_in_with_a_password(page, live_server, console, axe, screenshot):
    get_user_model().objects.create_user("hanako", password="correct horse battery")
    page.goto(live_server.url + reverse("account_login"))
    axe(page)
    screenshot(page)

    page.get_by_label("User name or email").fill("hanako")
    page.get_by_label("Password", exact=True).fill("correct horse battery")
    page.get_by_role("button", name="Log in", exact=True).click()

    expect(page).not_to_have_url(live_server.url + reverse("account_login"))
    assert any(cookie["name"] == settings.SESSION_COOKIE_NAME for cookie in page.context.cookies())
    assert console == []


def test_an_invited_person_joins_in_japanese_without_javascript(live_server, new_context):
    project = create_project(name="Study", name_ja="調査")
    coordinator = create_member(project, is_coordinator=True)
    _, token = accounts.invite(project=project, by=coordinator.user, label="佐藤")
    page = new_context(locale="ja-JP", java_script_enabled=False).new_page()

    page.goto(live_server.url + reverse("account_invitation", args=[token]))
    expect(page.get_by_role("heading", name="調査")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    page.get_by_label("ユーザー名").fill("hanako")
    page.get_by_label("パスワード", exact=True).fill("correct horse battery")
    page.get_by_label("パスワード(確認用)").fill("correct horse battery")
    page.get_by_role("button", name="アカウントを作って参加する").click()

    expect(page).not_to_have_url(live_server.url + reverse("account_invitation", args=[token]))
    assert Member.objects.get(user__username="hanako").pseudonym == "R002"


def test_pages_about_an_account_are_accessible(page, live_server, log_in, console, axe, screenshot):
    log_in(create_user(username="hanako"))
    for name in ["account_preferences", "mfa_index", "account_change_password", "account_reauthenticate"]:
        page.goto(live_server.url + reverse(name))
        axe(page)
        screenshot(page, name)
    assert console == []
