"""A rater's journeys, by label and role."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import Assignment, Score
from annotation.services import close
from projects.models import Point, User
from tests.factories import create_batch, create_item, create_member, create_project, create_response

AXES = ("helpful", "true")


@pytest.fixture
def project(transactional_db):
    return create_project(axes=AXES, name="Study", name_ja="調査")


@pytest.fixture
def rater(project):
    return create_member(project)


@pytest.fixture
def batch(project):
    for number in range(3):
        create_item(project, turns=[f"応答 {number}"])
    return create_batch(project, name="Main", raters_per_item=1)


@pytest.fixture
def rating_page(live_server, project):
    return live_server.url + reverse("annotation:rate", args=[project.slug])


def axis(page, name):
    return page.get_by_role("group", name=name)


def give(page, name, point):
    # the radio lies over its words; what a person clicks is the cell
    axis(page, name).get_by_role("radio", name=re.compile(rf"^{point}\b")).check()


def submitted():
    return Assignment.objects.submitted()


def wait_for_count(page, number):
    """The page says how many were rated."""
    expect(page.get_by_text(re.compile(rf"^{number} (rated|件評価済み)"))).to_be_visible()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            {
                "helpful": "Helpful",
                "true": "True",
                "save": "Save and go on",
                "end": "Nothing left to rate. Thank you.",
            },
        ),
        (
            "ja",
            {
                "helpful": "helpful（日本語）",
                "true": "true（日本語）",
                "save": "保存して次へ",
                "end": "評価するものはもうありません。ありがとうございました。",
            },
        ),
    ],
)
def test_a_rater_rates_until_nothing_is_left(
    page, rater, batch, rating_page, log_in, console, axe, screenshot, language, words
):
    User.objects.filter(pk=rater.user.pk).update(language=language)
    log_in(rater.user)
    page.goto(rating_page)
    expect(page.locator("html")).to_have_attribute("lang", language)
    axe(page)
    screenshot(page, language)

    for number in range(3):
        wait_for_count(page, number)
        give(page, words["helpful"], 4)
        give(page, words["true"], 2)
        page.get_by_role("button", name=words["save"]).click()

    expect(page.get_by_role("heading", name=words["end"])).to_be_visible()
    axe(page)
    assert submitted().filter(rater=rater).count() == 3
    assert set(Score.objects.values_list("axis__key", "value")) == {("helpful", 4), ("true", 2)}
    assert console == []


def test_with_the_keyboard_alone(page, rater, batch, rating_page, log_in, console):
    log_in(rater.user)
    page.goto(rating_page)
    page.keyboard.press("5")
    expect(axis(page, "Helpful").get_by_role("radio", name=re.compile("^5"))).to_be_checked()
    page.keyboard.press("n")
    expect(axis(page, "True").get_by_role("radio", name="Cannot judge")).to_be_checked()
    page.keyboard.press("2")
    expect(
        axis(page, "True").get_by_role("radio", name="I do not know enough about the subject")
    ).to_be_checked()
    expect(page.get_by_role("button", name="Save and go on")).to_be_focused()
    page.keyboard.press("c")
    page.keyboard.type("3 and 4, n")  # digits are digits where one writes
    page.keyboard.press("Control+Enter")
    wait_for_count(page, 1)

    kept = submitted().get()
    assert kept.comment == "3 and 4, n"
    assert list(kept.scores.order_by("axis__position").values_list("value", "na_reason")) == [
        (5, None),
        (None, "no_knowledge"),
    ]
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    assert console == []


def test_with_tab_arrows_and_space_alone(page, rater, batch, rating_page, log_in):
    log_in(rater.user)
    page.goto(rating_page)
    page.get_by_role("group", name="Helpful").get_by_role("radio").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")  # flag
    page.keyboard.press("Space")
    page.keyboard.press("Tab")  # comment
    page.keyboard.press("Tab")  # button
    page.keyboard.press("Enter")
    wait_for_count(page, 1)
    kept = submitted().get()
    assert list(kept.scores.order_by("axis__position").values_list("value", flat=True)) == [2, 1]
    assert kept.flagged


def test_single_keys_can_be_switched_off(page, rater, batch, rating_page, log_in):
    log_in(rater.user)
    page.goto(rating_page)
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Use single keys on this computer").uncheck()
    page.get_by_role("dialog", name="Keys").get_by_role("button", name="Close").click()
    page.keyboard.press("5")
    expect(axis(page, "Helpful").get_by_role("radio", name=re.compile("^5"))).not_to_be_checked()


def test_what_is_missing_is_said_in_words_and_nothing_is_sent(
    page, rater, batch, rating_page, log_in, console
):
    log_in(rater.user)
    page.goto(rating_page)
    expect(page.get_by_text("Still open: Helpful, True")).to_be_visible()
    give(page, "Helpful", 3)
    expect(page.get_by_text("Still open: True")).to_be_visible()
    axis(page, "True").get_by_role("radio", name="Cannot judge").check()
    expect(page.get_by_text("Still open: True (reason)")).to_be_visible()
    page.get_by_role("button", name="Save and go on").click()
    expect(axis(page, "True").get_by_role("radio", name="the question does not apply here")).to_be_focused()
    assert submitted().count() == 0
    give(page, "True", 1)
    expect(page.get_by_text("Everything is filled in.")).to_be_visible()
    assert console == []


def test_the_next_item_begins_at_its_top_with_the_focus_on_its_title(
    page, rater, project, rating_page, log_in
):
    for number in range(2):
        create_item(project, turns=["長い応答。\n\n" * 80 + str(number)])
    create_batch(project, raters_per_item=1, name="Main")
    log_in(rater.user)
    page.goto(rating_page)
    page.mouse.wheel(0, 3000)
    page.wait_for_function("scrollY > 500")
    for key in ("4", "4"):
        page.keyboard.press(key)
    page.keyboard.press("Control+Enter")
    wait_for_count(page, 1)
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    assert page.evaluate("scrollY") == 0
    assert page.title() == "Main · Study · Hyotei"


def test_with_javascript_off(browser, browser_context_args, rater, batch, rating_page, log_in, axe):
    context = browser.new_context(**browser_context_args | {"java_script_enabled": False})
    log_in(rater.user, context)
    page = context.new_page()
    page.goto(rating_page)
    for number in range(3):
        wait_for_count(page, number)
        give(page, "Helpful", 4)
        axis(page, "True").get_by_role("radio", name="Cannot judge").check(force=True)
        if number == 0:  # forgotten: the server says so, and keeps the rest
            page.get_by_role("button", name="Save and go on").click()
            expect(page.get_by_role("alert")).to_contain_text("True: say why you cannot judge")
            expect(axis(page, "Helpful").get_by_role("radio", name=re.compile("^4"))).to_be_checked()
        axis(page, "True").get_by_role("radio", name="I cannot decide").check()
        page.get_by_role("button", name="Save and go on").click()
    expect(page.get_by_role("heading", name="Nothing left to rate. Thank you.")).to_be_visible()
    assert Score.objects.filter(value=4).count() == Score.objects.filter(na_reason="unsure").count() == 3
    context.close()


def test_a_rating_outlives_a_network_that_is_cut(page, context, rater, batch, rating_page, log_in):
    log_in(rater.user)
    page.goto(rating_page)
    give(page, "Helpful", 4)
    give(page, "True", 2)
    context.set_offline(True)
    page.get_by_role("button", name="Save and go on").click()
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    expect(page.get_by_role("button", name="Try now")).to_be_visible()
    expect(axis(page, "Helpful").get_by_role("radio", name=re.compile("^4"))).to_be_checked()
    assert submitted().count() == 0
    context.set_offline(False)
    wait_for_count(page, 1)
    assert submitted().count() == 1


def test_an_answer_that_gets_lost_is_asked_for_again_and_the_rating_is_kept_once(
    page, rater, batch, rating_page, log_in
):
    log_in(rater.user)
    page.goto(rating_page)
    lost = []

    def lose_the_first(route):
        if not lost:
            lost.append(route.fetch().status)  # it reaches the server; the answer does not reach the page
            route.abort()
        else:
            route.continue_()

    page.route("**/submit/", lose_the_first)
    page.keyboard.press("4")
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    wait_for_count(page, 1)
    assert lost == [200]
    assert submitted().count() == 1
    assert Assignment.objects.filter(rater=rater).count() == 2


def test_after_a_lost_answer_a_second_thought_replaces_the_first(page, rater, batch, rating_page, log_in):
    log_in(rater.user)
    page.goto(rating_page)
    lost = []

    def lose_the_first(route):
        if not lost:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    page.route("**/submit/", lose_the_first)
    page.keyboard.press("4")
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    give(page, "True", 5)
    page.keyboard.press("Control+Enter")
    wait_for_count(page, 1)
    assert submitted().get().scores.get(axis__key="true").value == 5


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_in_trouble_is_tried_again(page, rater, batch, rating_page, log_in, status):
    log_in(rater.user)
    page.goto(rating_page)
    answers = [status]
    page.route(
        "**/submit/", lambda route: route.fulfill(status=answers.pop()) if answers else route.continue_()
    )
    page.keyboard.press("4")
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(re.compile("Not saved yet. Trying again in"))).to_be_visible()
    wait_for_count(page, 1)
    assert submitted().count() == 1


def test_a_portal_that_answers_in_place_of_the_server_is_not_believed(
    page, rater, batch, rating_page, log_in
):
    log_in(rater.user)
    page.goto(rating_page)
    answers = ["<h1>Welcome to the hotel</h1>"]
    page.route(
        "**/submit/", lambda route: route.fulfill(body=answers.pop()) if answers else route.continue_()
    )
    page.keyboard.press("4")
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(re.compile("Not saved yet. Trying again in"))).to_be_visible()
    expect(page.get_by_text("Welcome to the hotel")).to_be_hidden()
    wait_for_count(page, 1)


def test_a_half_filled_form_is_there_again_after_a_reload(page, rater, batch, rating_page, log_in, console):
    log_in(rater.user)
    page.goto(rating_page)
    give(page, "Helpful", 4)
    axis(page, "True").get_by_role("radio", name="Cannot judge").check()
    axis(page, "True").get_by_role("radio", name="I cannot decide").check()
    page.get_by_label("Comment").fill("途中")
    page.reload()
    expect(page.get_by_text("What you had entered here before is back")).to_be_visible()
    expect(axis(page, "Helpful").get_by_role("radio", name=re.compile("^4"))).to_be_checked()
    expect(axis(page, "True").get_by_role("radio", name="I cannot decide")).to_be_checked()
    expect(page.get_by_label("Comment")).to_have_value("途中")
    page.get_by_role("button", name="Start afresh").click()
    expect(page.get_by_label("Comment")).to_have_value("")
    assert console == []


def test_a_draft_is_gone_once_the_rating_has_arrived(page, rater, batch, rating_page, log_in):
    log_in(rater.user)
    page.goto(rating_page)
    page.keyboard.press("4")
    drafts = "Object.keys(localStorage).filter((key) => key.startsWith('hyotei:draft:')).length"
    assert page.evaluate(drafts) == 1
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    wait_for_count(page, 1)
    assert page.evaluate(drafts) == 0


def test_the_draft_of_one_rater_is_not_shown_to_another(
    page, context, project, rater, batch, rating_page, log_in
):
    log_in(rater.user)
    page.goto(rating_page)
    give(page, "Helpful", 4)
    Assignment.objects.open().update(state="empty", rater=None, opened_at=None, lease_until=None)
    Assignment.objects.empty().exclude(key=page.locator("#card").get_attribute("data-assignment")).delete()
    context.clear_cookies()
    log_in(create_member(project).user)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(axis(page, "Helpful").get_by_role("radio", name=re.compile("^4"))).not_to_be_checked()


def test_leaving_is_warned_of_only_while_something_is_unsaved(
    page, context, rater, batch, rating_page, log_in
):
    log_in(rater.user)
    page.goto(rating_page)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    give(page, "Helpful", 4)
    page.reload()  # a draft: nothing is lost
    assert asked == []
    give(page, "True", 4)
    page.route("**/submit/", lambda route: route.abort())
    page.get_by_role("button", name="Save and go on").click()
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    page.reload()
    assert asked == ["beforeunload"]


def test_what_was_not_sent_is_sent_after_a_reload(page, rater, batch, rating_page, log_in):
    log_in(rater.user)
    page.goto(rating_page)
    page.on("dialog", lambda dialog: dialog.accept())
    page.route("**/submit/", lambda route: route.abort())
    page.keyboard.press("4")
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    page.unroute("**/submit/")
    page.reload()
    wait_for_count(page, 1)
    assert submitted().count() == 1


def test_what_was_not_sent_is_sent_from_the_next_item(page, rater, batch, rating_page, log_in):
    """The seat lapsed and went back before the rater returned: another item is on the page."""
    log_in(rater.user)
    page.goto(rating_page)
    page.on("dialog", lambda dialog: dialog.accept())
    page.route("**/submit/", lambda route: route.abort())
    page.keyboard.press("4")
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    key = page.locator("#card").get_attribute("data-assignment")
    Assignment.objects.filter(key=key).update(state="empty", rater=None, opened_at=None, lease_until=None)
    claimed = Assignment.objects.exclude(key=key).first()
    Assignment.objects.filter(pk=claimed.pk).update(
        state="open", rater=rater, opened_at="2026-01-01T00:00Z", lease_until="2099-01-01T00:00Z"
    )
    page.unroute("**/submit/")
    page.reload()
    expect(page.get_by_text("A rating that had not been saved was sent now.")).to_be_visible()
    assert str(submitted().get(rater=rater).key) == key


def test_whoever_is_logged_out_meanwhile_loses_nothing(page, context, rater, batch, rating_page, log_in):
    log_in(rater.user)
    page.goto(rating_page)
    page.keyboard.press("4")
    page.keyboard.press("2")
    context.clear_cookies(name="sessionid")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("you are logged out")).to_be_visible()
    log_in(rater.user)  # in another tab
    context.clear_cookies(name="csrftoken")  # as a new login changes it
    context.add_cookies([{"name": "csrftoken", "value": "a" * 32, "url": rating_page}])
    page.get_by_role("button", name="Save and go on").click()
    wait_for_count(page, 1)
    assert submitted().count() == 1


def test_two_tabs_rate_an_item_once(page, context, rater, batch, rating_page, log_in, console):
    log_in(rater.user)
    page.goto(rating_page)
    other = context.new_page()
    other.goto(rating_page)
    for tab, points in ((page, ("4", "2")), (other, ("1", "1"))):
        for point in points:
            tab.keyboard.press(point)
    page.keyboard.press("Control+Enter")
    wait_for_count(page, 1)
    expect(other.get_by_text("You have rated this item in another tab.")).to_be_visible()
    other.keyboard.press("Control+Enter")
    expect(other.get_by_text("You had rated that item already.")).to_be_visible()
    assert submitted().count() == 1
    assert list(Score.objects.order_by("axis__position").values_list("value", flat=True)) == [4, 2]
    shown = [tab.locator("#card").get_attribute("data-assignment") for tab in (page, other)]
    assert shown[0] == shown[1]  # one open item per rater
    assert console == []


def test_going_back_neither_loses_nor_doubles(page, live_server, rater, batch, rating_page, project, log_in):
    log_in(rater.user)
    page.goto(live_server.url + reverse("annotation:my_ratings", args=[project.slug]))
    page.get_by_role("link", name="Rate", exact=True).first.click()
    expect(page.get_by_text("Still open")).to_be_visible()
    for point in ("4", "2"):
        page.keyboard.press(point)
    page.keyboard.press("Control+Enter")
    wait_for_count(page, 1)
    shown = page.locator("#card").get_attribute("data-assignment")
    page.go_back()
    page.go_forward()
    wait_for_count(page, 1)
    assert page.locator("#card").get_attribute("data-assignment") == shown
    assert submitted().count() == 1


def test_pressing_twice_sends_once(page, rater, batch, rating_page, log_in):
    log_in(rater.user)
    page.goto(rating_page)
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.url.endswith("/submit/") else None)
    page.keyboard.press("4")
    page.keyboard.press("2")
    page.get_by_role("button", name="Save and go on").dblclick()
    wait_for_count(page, 1)
    assert len(sent) == 1
    assert submitted().count() == 1


def test_a_refusal_is_explained_and_the_form_stays(page, rater, batch, rating_page, log_in):
    log_in(rater.user)
    page.goto(rating_page)
    page.keyboard.press("4")
    page.keyboard.press("2")
    page.route(
        "**/submit/",
        lambda route: route.fulfill(
            status=404, content_type="text/plain; charset=utf-8", body="There is no such item for you."
        ),
    )
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Not saved: There is no such item for you.")).to_be_visible()
    expect(axis(page, "Helpful").get_by_role("radio", name=re.compile("^4"))).to_be_checked()


def test_only_time_at_work_is_counted(page, rater, batch, rating_page, log_in):
    page.clock.install()
    log_in(rater.user)
    page.goto(rating_page)
    page.clock.run_for(20_000)
    page.mouse.move(10, 10)
    page.clock.run_for(10 * 60_000)  # away from the desk: a minute counts
    page.mouse.move(20, 20)
    page.keyboard.press("4")
    page.keyboard.press("2")
    page.clock.run_for(5_000)
    page.keyboard.press("Control+Enter")
    wait_for_count(page, 1)
    assert submitted().get().seconds == pytest.approx(85, abs=3)


def test_an_own_rating_is_found_and_changed(
    page, live_server, project, rater, batch, rating_page, log_in, console, axe
):
    log_in(rater.user)
    page.goto(rating_page)
    page.keyboard.press("4")
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    wait_for_count(page, 1)
    page.get_by_role("link", name="My ratings").click()
    axe(page)
    page.get_by_role("link", name=re.compile("^Question")).click()
    expect(axis(page, "True").get_by_role("radio", name=re.compile("^2"))).to_be_checked()
    axe(page)
    give(page, "True", 5)
    page.get_by_role("button", name="Save the change").click()
    expect(page.get_by_text("Your rating was changed.")).to_be_visible()
    assert submitted().get().scores.get(axis__key="true").value == 5
    close(batch=batch)
    page.get_by_role("link", name=re.compile("^Question")).click()
    expect(page.get_by_text("can be read, not changed")).to_be_visible()
    expect(page.get_by_role("button", name="Save the change")).to_be_hidden()
    axe(page)
    assert console == []


def test_an_item_is_skipped_with_a_reason(page, rater, batch, rating_page, log_in, console):
    log_in(rater.user)
    page.goto(rating_page)
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Skip this item…").click()
    page.get_by_label("Why?").fill("読めない")
    page.get_by_role("button", name="Skip the item").click()
    expect(page.get_by_text("Skipped. Here is the next item.")).to_be_visible()
    assert Assignment.objects.get(state="skipped").skip_reason == "読めない"
    assert console == []


@pytest.mark.parametrize(
    ("points", "key", "value"),
    [((-2, -1, 0, 1, 2), "4", 1), ((0, 1), "0", 0), (tuple(range(1, 11)), "0", 10), ((1, 2, 3), "0", None)],
)
def test_digits_fit_the_scale(page, live_server, log_in, points, key, value, transactional_db):
    project = create_project(axes=("helpful",), points=points)
    create_batch(project, items=[create_item(project)])
    rater = create_member(project)
    log_in(rater.user)
    page.goto(live_server.url + reverse("annotation:rate", args=[project.slug]))
    page.keyboard.press(key)
    if value is None:
        expect(axis(page, "Helpful").get_by_role("radio", name="Cannot judge")).to_be_checked()
        page.keyboard.press("1")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Nothing left to rate")).to_be_visible()
    assert Score.objects.get().value == value


def test_a_conversation_shows_what_came_before(page, live_server, project, rater, log_in, axe, screenshot):
    response = create_response(
        project, turns=["一つ目の応答。\n\n```python\nprint(1)\n```", "二つ目の応答 $x^2$"]
    )
    response.prompt.turns = [
        {"role": "user", "content": "一つ目の質問"},
        {"role": "user", "content": "二つ目の質問"},
    ]
    response.prompt.save()
    create_batch(project, items=[response.items.get(turn=2)])
    log_in(rater.user)
    page.goto(live_server.url + reverse("annotation:rate", args=[project.slug]))
    expect(page.get_by_text("一つ目の応答")).to_be_visible()
    page.get_by_text("Earlier in this conversation").click()
    expect(page.get_by_text("一つ目の応答")).to_be_hidden()
    expect(page.get_by_text("二つ目の応答")).to_be_visible()
    axe(page)


def test_a_lease_is_renewed_while_somebody_is_at_work_and_not_while_nobody_is(
    page, project, rater, rating_page, log_in
):
    create_batch(project, items=[create_item(project)], lease=timedelta(minutes=6))
    page.clock.install()
    log_in(rater.user)
    page.goto(rating_page)
    renewed = []
    page.on("request", lambda request: renewed.append(request.url) if "/renew/" in request.url else None)
    page.clock.run_for(5 * 60_000)
    assert renewed == []
    with page.expect_response("**/renew/") as answer:
        page.mouse.move(10, 10)
    assert answer.value.status == 204
    page.clock.run_for(30_000)
    page.mouse.move(20, 20)
    assert len(renewed) == 1


def test_where_nothing_can_be_stored_rating_works_and_leaving_half_way_asks_first(
    page, rater, batch, rating_page, log_in, console
):
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('forbidden') } })"
    )
    log_in(rater.user)
    page.goto(rating_page)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    give(page, "Helpful", 4)
    page.reload()
    assert asked == ["beforeunload"]
    page.keyboard.press("4")
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    wait_for_count(page, 1)
    assert console == []


def test_all_descriptions_can_stand_beside_their_points(page, project, rater, rating_page, log_in, axe):
    Point.objects.filter(axis__rubric__project=project, rank=2).update(description_en="Two means this.")
    create_batch(project, items=[create_item(project) for _ in range(2)], raters_per_item=1)
    log_in(rater.user)
    page.goto(rating_page)
    words = axis(page, "Helpful").get_by_text("Two means this.")
    expect(words).to_be_hidden()
    axis(page, "Helpful").get_by_role("radio", name="2 point 2").hover()
    expect(words).to_be_visible()
    page.mouse.move(0, 0)
    expect(words).to_be_hidden()
    page.get_by_role("button", name="Every description").click()
    expect(words).to_be_visible()
    axe(page)
    for key in ("1", "1"):
        page.keyboard.press(key)
    page.keyboard.press("Control+Enter")
    wait_for_count(page, 1)
    expect(words).to_be_visible()  # it stays so


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_box_of_the_flag_stands_in_the_middle_of_its_line(
    page, rater, batch, rating_page, log_in, language
):
    User.objects.filter(pk=rater.user.pk).update(language=language)
    log_in(rater.user)
    page.goto(rating_page)
    label = page.locator("label:has([name=flagged])")
    middles = [
        box["y"] + box["height"] / 2
        for box in (label.locator("input").bounding_box(), label.locator("span").bounding_box())
    ]
    assert abs(middles[0] - middles[1]) < 0.75
