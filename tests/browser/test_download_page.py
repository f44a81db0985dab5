"""Taking data away in Chromium: with htmx, without JavaScript, in both languages, on a small screen."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.urls import reverse
from playwright.sync_api import expect

from tests.factories import create_batch, create_item, create_member, create_project, rate

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
@transaction.atomic  # a submitted rating must be complete when the transaction ends
def researcher():
    project = create_project(
        slug="study", name="Helpfulness of Japanese models", name_ja="日本語モデルの有用性",
        axes=("relevance", "fluency", "accuracy"),
    )  # fmt: skip
    for _ in range(4):
        create_item(project)
    batch = create_batch(project, name="main-1")
    raters = [create_member(project) for _ in range(2)]
    for seat in batch.assignments.all():
        rate(seat, raters[seat.seat - 1], {"relevance": 3, "fluency": 4, "accuracy": None})
    return create_member(project, is_researcher=True).user


@pytest.fixture
def address(live_server):
    return live_server.url + reverse("exports:download", args=["study"])


def test_a_researcher_sees_what_a_file_holds_and_takes_it_away(
    page, address, researcher, log_in, console, axe
):
    log_in(researcher)
    page.goto(address)
    expect(page.get_by_text("24 rows")).to_be_visible()
    axe(page)

    page.get_by_label("Ratings, a row per response and rater").check()
    expect(page.get_by_text("8 rows")).to_be_visible()
    expect(page.get_by_role("rowheader", name="accuracy_na_reason")).to_be_visible()
    page.get_by_label("Format").select_option("parquet")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.startswith("study_wide_")
    assert download.value.path().read_bytes().endswith(b"PAR1")

    page.get_by_label("All of these in one workbook").check()
    expect(page.get_by_role("heading", name="about")).to_be_visible()
    axe(page)
    assert console == []


def test_all_of_it_works_without_javascript(browser, address, researcher, log_in):
    context = browser.new_context(java_script_enabled=False, locale="ja-JP")
    log_in(researcher, context)
    page = context.new_page()
    page.goto(address)
    page.get_by_label("プロンプト", exact=True).check()
    page.get_by_role("button", name="中身を確かめる").click()
    expect(page.get_by_role("heading", name="prompts")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="ダウンロード").click()
    assert download.value.suggested_filename.startswith("study_prompts_")
    context.close()


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_every_screen(
    browser, address, researcher, log_in, screenshot, axe, language, width, theme
):
    context = browser.new_context(
        locale=language, color_scheme=theme, viewport={"width": width, "height": 900}
    )
    log_in(researcher, context)
    page = context.new_page()
    for name, url in [
        ("download", address),
        ("tokens", address.replace("p/study/download", "account/tokens")),
    ]:
        page.goto(url)
        screenshot(page, f"{name}-{language}-{width}-{theme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        axe(page)
    context.close()


def test_a_token_is_made_copied_and_revoked(page, live_server, researcher, log_in, console, axe, screenshot):
    log_in(researcher)
    page.goto(live_server.url + reverse("exports:tokens"))
    page.get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Make a token").click()
    token = page.get_by_label("Token", exact=True).input_value()
    assert token.startswith("hyotei_")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    axe(page)
    screenshot(page)
    page.get_by_role("button", name="Revoke laptop").click()
    expect(page.get_by_text("was revoked")).to_be_visible()
    assert console == []


def test_the_api_is_drawn_under_the_content_security_policy(
    page, live_server, researcher, log_in, console, screenshot
):
    log_in(researcher)
    page.goto(live_server.url + reverse("exports:api_docs"))
    expect(page.get_by_text("/api/projects/{project_slug}/next/").first).to_be_visible()
    page.locator("#operations-projects-list_projects").get_by_role("button").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table").get_by_text("researcher").first).to_be_visible()
    screenshot(page, full_page=False)
    assert console == []
