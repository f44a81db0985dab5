"""Every page, for each role, in both languages, light and dark, wide and narrow: axe finds nothing."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.test import Client

from annotation.services import claim_next
from projects.models import User
from tests.factories import create_batch, create_member, create_project, create_prompt, create_response, rate
from tests.walk import addresses

NOT_WALKED = {"admin", "account_logout", "api", "api_docs"}  # pages of other packages
LOOKS = {
    "English, light, wide": {
        "locale": "en-US",
        "color_scheme": "light",
        "viewport": {"width": 1280, "height": 900},
    },
    "Japanese, dark, narrow": {
        "locale": "ja-JP",
        "color_scheme": "dark",
        "viewport": {"width": 390, "height": 844},
    },
}


@pytest.fixture
def study(transactional_db):
    project = create_project(slug="study", name="Study", name_ja="調査", is_simulated=True)
    prompt = create_prompt(
        project,
        turns=[{"role": "user", "content": "質問一"}, {"role": "user", "content": "質問二"}],
        reference="**参考**",
        checklist=["一つ", "二つ"],
        tags=["ja"],
        source="demo",
    )
    for _ in range(3):
        create_response(
            project,
            prompt=prompt,
            turns=[
                "# 見出し\n\n| a | b |\n|--|--:|\n| 1 | 2 |",
                "答え\n\n```python\n" + "print('長い行') " * 20 + "\n```\n\n$x^2$",
            ],
        )
    batch = create_batch(project, name="Main", raters_per_item=2)
    raters = [create_member(project) for _ in range(3)]
    for number, seat in enumerate(batch.assignments.order_by("item", "seat")[:8]):
        rate(seat, raters[seat.seat - 1], {"relevance": 1 + number % 5, "fluency": 1 + number % 4})
    claim_next(rater=raters[0])
    return project


def html_pages(user, project, member):
    """The addresses that answer this person with a page."""
    client = Client()
    client.force_login(user)
    client.raise_request_exception = False
    fill = {
        "project_slug": [project.slug],
        "slug": [project.slug],
        "key": list(project.batches.get().assignments.filter(rater=member).values_list("key", flat=True))[:2],
        "pk": [project.batches.get().pk, project.prompts.get().pk],
        "number": [1],
        "pseudonym": [member.pseudonym],
    }
    for address in addresses(fill, leave_out=NOT_WALKED):
        response = client.get(address)
        if response.status_code == 200 and response["Content-Type"].startswith("text/html"):
            yield address


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
@pytest.mark.parametrize("role", ["rater", "coordinator", "nobody"])
def test_axe_finds_nothing_on_any_page(browser, live_server, study, log_in, axe, role, look):
    if role == "coordinator":
        member = create_member(study, is_coordinator=True, is_researcher=True)
        member.user.user_permissions.add(Permission.objects.get(codename="add_project"))
    else:
        member = study.members.order_by("pk").first()
    User.objects.update(language=look["locale"][:2])
    context = browser.new_context(**look)
    if role != "nobody":
        log_in(member.user, context)
    page = context.new_page()
    complaints = []
    page.on(
        "console",
        lambda message: (
            complaints.append(f"{page.url}: {message.text}") if message.type in {"error", "warning"} else None
        ),
    )
    found = (
        list(html_pages(member.user, study, member))
        if role != "nobody"
        else ["/account/login/", "/account/password/reset/"]
    )
    assert len(found) >= 2
    broken = []
    for address in found:
        page.goto(live_server.url + address)
        try:
            axe(page)
        except AssertionError as error:
            broken.append(str(error))
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            broken.append(f"{page.url}\nwider than the window by {wide} px")
    context.close()
    assert not broken, "\n".join(broken)
    assert complaints == []


def test_a_page_that_does_not_exist_is_accessible_too(page, live_server, axe, log_in, transactional_db):
    log_in(User.objects.create_user("somebody"))
    page.goto(live_server.url + "/p/nothing-here/")
    axe(page)


def test_the_choice_of_colours_is_kept(page, live_server, log_in, transactional_db):
    log_in(User.objects.create_user("somebody"))
    page.goto(live_server.url)
    paper = "getComputedStyle(document.body).backgroundColor + getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(paper)
    page.locator("summary", has_text="somebody").click()
    page.get_by_role("button", name="Dark", exact=True).click()
    assert page.evaluate(paper) != light
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    cookie = next(cookie for cookie in page.context.cookies() if cookie["name"] == "theme")
    assert cookie["value"] == "dark"
    assert cookie["secure"] is settings.SESSION_COOKIE_SECURE
    page.locator("summary", has_text="somebody").click()
    page.get_by_role("button", name="System", exact=True).click()
    assert page.evaluate(paper) == light


def test_the_content_can_be_reached_past_the_header(page, live_server, log_in, transactional_db):
    log_in(User.objects.create_user("somebody"))
    page.goto(live_server.url)
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the content")
    assert link.evaluate("(element) => element === document.activeElement")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_a_menu_closes_with_escape_and_gives_the_focus_back(page, live_server, log_in, transactional_db):
    log_in(User.objects.create_user("somebody"))
    page.goto(live_server.url)
    menu = page.locator("summary", has_text="somebody")
    menu.click()
    page.get_by_role("link", name="Your settings").focus()
    page.keyboard.press("Escape")
    assert menu.evaluate("(element) => element === document.activeElement && !element.parentElement.open")
