"""From a figure to what it means, with the keyboard alone; and the page itself, with everything unfolded."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from projects.models import User
from tests.browser.conftest import listen
from tests.factories import create_batch, create_member, create_project, create_response, rate


@pytest.fixture
def study(transactional_db):
    project = create_project(slug="study")
    raters = [create_member(project), create_member(project)]
    for _ in range(4):
        create_response(project)
    for number, seat in enumerate(create_batch(project).assignments.order_by("item", "seat")):
        rate(seat, raters[seat.seat - 1], {"relevance": 1 + number % 5, "fluency": 3})
    return project


def test_a_figure_leads_to_its_words_by_the_keyboard(page, live_server, study, log_in, console):
    log_in(create_member(study, is_coordinator=True).user)
    page.goto(live_server.url + reverse("annotation:monitor", args=[study.slug]) + "?live=0")
    link = page.locator("table.agreement").get_by_role("link", name="Within one point")
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/help/numbers/#within-one")
    entry = page.get_by_role("article", name="Within one point")
    expect(entry).to_be_in_viewport()
    expect(page.locator(":target")).to_have_attribute("id", "within-one")
    head = page.locator("header.masthead").bounding_box()
    assert entry.bounding_box()["y"] >= head["y"] + head["height"], "the header hides the name"

    page.keyboard.press("Tab")  # goes on from where the link led to
    expect(page.get_by_role("link", name="Link to “Within one point”")).to_be_focused()
    page.keyboard.press("Tab")
    fold = entry.locator("summary")
    expect(fold).to_be_focused()
    page.keyboard.press("Enter")
    expect(entry.get_by_text("neighbouring points counted as equal")).to_be_visible()

    page.get_by_role("navigation", name="Contents").get_by_role("link", name="Halo").click()
    expect(page.get_by_role("article", name="Halo")).to_be_in_viewport()
    assert console == []


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_with_everything_unfolded_it_is_accessible_and_fits(
    browser, live_server, study, log_in, axe, language, scheme, width
):
    member = create_member(study, is_coordinator=True)
    User.objects.update(language=language)
    context = browser.new_context(
        locale=language, color_scheme=scheme, viewport={"width": width, "height": 844}
    )
    log_in(member.user, context)
    page = context.new_page()
    said: list[str] = []
    listen(page, said)
    page.goto(live_server.url + "/help/numbers/")
    assert page.locator("html").get_attribute("lang") == language
    page.evaluate("document.querySelectorAll('article details').forEach((fold) => (fold.open = true))")
    axe(page)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    outside = page.evaluate(
        """[...document.querySelectorAll("math")].filter((maths) =>
             maths.getBoundingClientRect().right > document.documentElement.clientWidth).length"""
    )
    assert outside == 0, "a formula is wider than the window"
    context.close()
    assert said == []
