"""A coordinator's journeys, by label and role."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.core.cache import cache
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import Batch
from config.assets import write_assets
from projects.models import Invitation, Project
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

SCORES = [(1, 1), (2, 3), (5, 5), (4, 4), (2, 2), (3, 5)]


@pytest.fixture(autouse=True, scope="module")
def _vega():
    write_assets()


@pytest.fixture(autouse=True)
def _nothing_kept():
    cache.clear()


@pytest.fixture
def project(transactional_db):
    project = create_project(name="Study", name_ja="調査")
    models = [create_model(project, name) for name in ("alpha-7b", "beta-13b")]
    for number in range(3):
        prompt = create_prompt(project, key=f"ja-{number}", category="prose" if number else "maths")
        for model in models:
            create_response(project, prompt=prompt, model=model, turns=[f"応答 {number}"])
    return project


@pytest.fixture
def raters(project):
    return [create_member(project, group="students") for _ in range(3)]


@pytest.fixture
def coordinator(project):
    return create_member(project, is_coordinator=True)


@pytest.fixture
def rated(project, raters):
    """A batch that two raters are through with."""
    batch = create_batch(project, name="First round")
    for item, pair in zip(project.items.order_by("pk"), SCORES, strict=True):
        for seat, rater, score in zip(
            batch.assignments.filter(item=item).order_by("seat"), raters, pair, strict=False
        ):
            rate(seat, rater, {"relevance": score, "fluency": 3})
    return batch


@pytest.fixture
def open_page(page, live_server, log_in, coordinator):
    """`open_page("annotation:batches", project)`: as the coordinator."""
    log_in(coordinator.user)

    def open_page(name, *args):
        page.goto(live_server.url + reverse(name, args=[getattr(arg, "slug", arg) for arg in args]))
        return page

    return open_page


def test_a_coordinator_makes_a_batch_and_sees_it(open_page, project, raters, console, axe):
    page = open_page("annotation:batches", project)
    page.get_by_role("link", name="Make a batch").first.click()
    preview = page.get_by_role("region", name="What this makes")
    expect(preview.get_by_role("definition").nth(0)).to_have_text("6")
    axe(page)

    page.get_by_label("Name", exact=True).fill("Pilot")
    page.get_by_label("alpha-7b").check()
    expect(preview.get_by_role("definition").nth(0)).to_have_text("3")  # without a button
    page.get_by_label("Raters per item").fill("1")
    confirm = page.get_by_label("One rater per item is what I want")
    expect(confirm).to_be_visible()
    expect(preview.get_by_text("agreement cannot be measured")).to_be_visible()
    page.get_by_label("Raters per item").fill("2")
    expect(confirm).to_be_hidden()
    page.get_by_label("One group").check()
    # Not before the preview of this very choice is there: what a preview says above the button moves it.
    with page.expect_response(lambda answer: "students" in (answer.request.post_data or "")):
        page.get_by_label("Group", exact=False).last.select_option("students")
    expect(preview.get_by_role("listitem")).to_have_count(0)
    page.get_by_role("button", name="Make the batch").click()

    expect(page.get_by_role("heading", name="Pilot")).to_be_visible()
    expect(page.get_by_text("The batch is made")).to_be_visible()
    axe(page)
    batch = Batch.objects.get()
    assert (batch.open_to, batch.group, batch.assignments.count()) == ("group", "students", 6)
    assert console == []


def test_a_batch_is_paused_and_closed_and_opened_again(open_page, project, rated, console, axe):
    page = open_page("annotation:batch", project, rated.pk)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused: nobody gets a new item.")).to_be_visible()
    page.get_by_role("button", name="Close…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Close this batch?")).to_be_visible()
    axe(page)
    dialog.get_by_role("button", name="Close the batch").click()
    expect(page.get_by_role("button", name="Open again")).to_be_visible()
    page.get_by_role("button", name="Open again").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert console == []


def test_a_raters_work_is_withdrawn_with_a_reason(open_page, project, rated, raters, console, axe):
    page = open_page("annotation:batch", project, rated.pk)
    page.get_by_role("link", name=f"Withdraw… {raters[0].pseudonym}").click()
    expect(page.get_by_text("6 ratings no longer count.")).to_be_visible()
    axe(page)
    page.get_by_label("Reason").fill("Asked to have it taken out.")
    page.get_by_role("button", name="Withdraw it all").click()
    expect(page.get_by_text(f"6 ratings of {raters[0].pseudonym} no longer count.")).to_be_visible()
    assert rated.assignments.filter(state="withdrawn").count() == 6
    assert console == []


def test_somebody_is_invited_and_comes_in(open_page, project, console, axe, context, live_server, log_in):
    page = open_page("projects:people", project)
    axe(page)
    page.get_by_label("For whom").fill("Hanako")
    page.get_by_role("button", name="Make the link").click()
    field = page.get_by_label("Invitation link")
    expect(field).to_be_visible()
    expect(page.get_by_role("status").filter(has=field)).to_be_focused()
    axe(page)
    link = field.input_value()

    log_in(create_user(username="hanako"))
    page.goto(link)
    page.get_by_role("main").get_by_role("button").first.click()
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    expect(page.get_by_role("heading", name="Study")).to_be_visible()
    assert Invitation.objects.get().member.user.username == "hanako"
    assert console == []


def test_an_invitation_without_a_name_comes_back_explained(open_page, project, console):
    page = open_page("projects:people", project)
    page.get_by_label("For whom").evaluate("field => (field.required = false)")
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_role("alert").get_by_text("Please look at this again")).to_be_visible()
    assert not Invitation.objects.exists()
    assert console == []


def test_the_monitor_draws_agreement_and_refreshes_itself(open_page, project, rated, raters, console, axe):
    page = open_page("annotation:monitor", project)
    plot = page.locator("[data-drawing] svg")
    expect(plot).to_be_visible()
    expect(plot).to_contain_text("Relevance")
    row = page.get_by_role("group", name="Agreement by axis").get_by_role(
        "row", name=re.compile("^Relevance")
    )
    expect(row).to_contain_text("ordinal")
    expect(row).to_contain_text(re.compile(r"\d\.\d\d – \d\.\d\d"))
    undefined = page.get_by_role("group", name="Agreement by axis").get_by_role(
        "row", name=re.compile("^Fluency")
    )
    expect(undefined).to_contain_text("all scores are the same")
    axe(page)

    # Somebody rates: the page learns of it, and the plot stays where it is.
    seats = page.get_by_text("12 of 12")
    expect(seats).to_be_visible()
    plot.evaluate("svg => svg.setAttribute('data-still-here', '')")
    batch = create_batch(project, name="Second round", purpose="training", raters_per_item=1)
    cache.clear()
    page.evaluate("htmx.trigger('#live', 'every')")
    expect(page.get_by_text(f"12 of {12 + batch.assignments.count()}")).to_be_visible()
    expect(page.locator("[data-still-here]")).to_be_visible()

    page.get_by_role("link", name="Pause refreshing").click()
    expect(page.get_by_role("link", name="Refresh", exact=True)).to_be_focused()
    assert page.locator("#live").get_attribute("hx-trigger") is None
    expect(plot).to_be_visible()
    assert console == []


def test_a_plot_that_is_on_its_way_says_so_and_one_that_cannot_be_drawn_too(open_page, project, rated):
    asked = []
    page = open_page("annotation:monitor", project)
    expect(page.locator("[data-drawing] svg")).to_be_visible()
    page.route("**/alpha.json*", lambda route: asked.append(route))
    page.reload()
    waiting = page.get_by_text("Drawing…")
    expect(waiting).to_be_visible()
    room = page.locator(".figure__room").bounding_box()
    said = waiting.bounding_box()
    assert abs((room["y"] + room["height"] / 2) - (said["y"] + said["height"] / 2)) < 2
    asked.pop().continue_()
    expect(page.locator("[data-drawing] svg")).to_be_visible()
    expect(waiting).to_be_hidden()

    page.unroute("**/alpha.json*")
    page.route("**/alpha.json*", lambda route: route.fulfill(status=503, body=""))
    page.reload()
    expect(page.get_by_text("The plot cannot be drawn right now.")).to_be_visible()


def test_the_plot_follows_the_colours(open_page, project, rated, console):
    page = open_page("annotation:monitor", project)
    label = page.locator("[data-drawing] svg text", has_text="Relevance")
    expect(label).to_have_attribute("fill", "#474f57")
    page.locator("summary").filter(has_text=re.compile("user")).click()
    page.get_by_role("button", name="Dark").click()
    expect(label).to_have_attribute("fill", "#b4bcc4")
    assert console == []


def test_a_server_that_is_away_leaves_the_monitor_as_it_was(open_page, project, rated):
    page = open_page("annotation:monitor", project)
    expect(page.get_by_text("12 of 12")).to_be_visible()
    page.route("**/monitor/", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    page.evaluate("htmx.trigger('#live', 'every')")
    page.wait_for_timeout(500)
    expect(page.get_by_text("12 of 12")).to_be_visible()
    expect(page.get_by_text("Bad gateway")).to_have_count(0)


def test_whoever_is_logged_out_meanwhile_sees_the_login_page(open_page, project, rated, context):
    page = open_page("annotation:monitor", project)
    expect(page.get_by_text("12 of 12")).to_be_visible()
    context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    page.evaluate("htmx.trigger('#live', 'every')")
    expect(page).to_have_url(re.compile(r"/account/login/\?next=/p/.*/monitor/"))


def test_prompts_are_searched_while_one_types(open_page, project, console, axe):
    page = open_page("projects:prompts", project)
    expect(page.get_by_text("3 prompts")).to_be_visible()
    axe(page)
    page.get_by_label("Search").fill("ja-2")
    expect(page.get_by_text("1 prompt", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile("q=ja-2"))
    page.get_by_role("link", name="ja-2").click()
    expect(page.get_by_text("beta-13b")).to_be_visible()
    axe(page)
    assert console == []


def test_a_project_is_made_from_a_preset(page, live_server, log_in, transactional_db, console, axe):
    log_in(create_user(is_staff=True))
    page.goto(live_server.url + reverse("projects:home"))
    axe(page)
    page.get_by_role("main").get_by_role("link", name="Make a project").first.click()
    page.get_by_label("Name", exact=True).fill("Study")
    page.get_by_label("Short name").fill("study")
    expect(page.get_by_label("Own rubric file")).to_be_hidden()
    axe(page)
    page.get_by_role("button", name="Make the project").click()
    expect(page.get_by_text("You are its coordinator.")).to_be_visible()
    axe(page)
    page.get_by_role("link", name="llm-jp").click()
    expect(page.get_by_role("heading", name="関連性")).to_be_visible()
    axe(page)
    assert Project.objects.get().slug == "study"
    assert console == []


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_page_fits_a_phone(browser, live_server, log_in, project, raters, rated, coordinator, language):
    context = browser.new_context(
        locale=language, viewport={"width": 390, "height": 844}, base_url=live_server.url
    )
    log_in(coordinator.user, context)
    page = context.new_page()
    prompt = project.prompts.first()
    for name, args in [
        ("projects:home", []),
        ("projects:project", [project.slug]),
        ("projects:people", [project.slug]),
        ("projects:person", [project.slug, raters[0].pseudonym]),
        ("projects:rubric", [project.slug]),
        ("projects:new_rubric", [project.slug]),
        ("projects:prompts", [project.slug]),
        ("projects:prompt", [project.slug, prompt.pk]),
        ("annotation:batches", [project.slug]),
        ("annotation:new_batch", [project.slug]),
        ("annotation:batch", [project.slug, rated.pk]),
        ("annotation:batch_remarks", [project.slug, rated.pk]),
        ("annotation:batch_conflicts", [project.slug, rated.pk]),
        ("annotation:withdraw_rater", [project.slug, rated.pk, raters[0].pseudonym]),
        ("annotation:monitor", [project.slug]),
        ("annotation:batch_monitor", [project.slug, rated.pk]),
    ]:
        page.goto(reverse(name, args=args))
        assert page.locator("html").get_attribute("lang") == language
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
    context.close()


def test_everything_works_without_a_script(browser, live_server, log_in, project, raters, coordinator):
    context = browser.new_context(java_script_enabled=False, locale="en", base_url=live_server.url)
    log_in(coordinator.user, context)
    page = context.new_page()
    page.goto(reverse("annotation:new_batch", args=[project.slug]))
    page.get_by_label("alpha-7b").check()
    page.get_by_role("button", name="Preview").click()
    preview = page.get_by_role("region", name="What this makes")
    expect(preview.get_by_role("definition").nth(0)).to_have_text("3")
    expect(page.get_by_label("alpha-7b")).to_be_checked()
    page.get_by_role("button", name="Make the batch").click()
    batch = Batch.objects.get()
    expect(page.get_by_role("heading", name=batch.name)).to_be_visible()

    page.get_by_role("link", name="Progress and agreement").last.click()
    expect(page.get_by_role("img", name=re.compile("Krippendorff’s alpha of each axis"))).to_be_visible()
    expect(page.get_by_role("link", name="Load again")).to_be_visible()

    page.goto(reverse("projects:people", args=[project.slug]))
    page.get_by_label("For whom").fill("Hanako")
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_label("Invitation link")).to_be_visible()

    page.goto(reverse("projects:prompts", args=[project.slug]))
    page.get_by_label("Search").fill("ja-2")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("1 prompt", exact=True)).to_be_visible()
    context.close()


def test_a_batch_is_made_with_the_keyboard_alone(open_page, project, raters, console):
    page = open_page("annotation:batches", project)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    make = page.get_by_role("main").get_by_role("link", name="Make a batch").first
    for _ in range(6):
        page.keyboard.press("Tab")
        if make.evaluate("link => link === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Typed")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Typed")).to_be_visible()
    assert console == []
