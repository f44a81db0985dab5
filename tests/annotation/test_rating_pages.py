"""The rater's pages: each works, refuses others, and explains what is wrong."""

from __future__ import annotations

import re
import uuid

import pytest
from django.forms.models import model_to_dict
from django.test import Client
from django.urls import reverse

from annotation.models import Assignment, Score, Submission
from annotation.own_progress import Mine, mine, mine_after
from annotation.services import claim_next, close, give_back, pause
from annotation.views.rater import rater_of
from projects.models import Member, User
from projects.people import deactivate
from tests.factories import (
    create_batch,
    create_item,
    create_member,
    create_project,
    create_prompt,
    create_response,
    create_user,
    rate,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def project():
    return create_project(axes=("relevance", "fluency"))


@pytest.fixture
def rater(project):
    return create_member(project)


@pytest.fixture
def me(client, rater):
    client.force_login(rater.user)
    return client


def url(name, project, *args):
    return reverse(f"annotation:{name}", args=[project.slug, *args])


def scores(**more):
    return {"axis:relevance": "4", "axis:fluency": "5", "submission": str(uuid.uuid4())} | more


def html(response):
    return response.content.decode()


def shown_key(response):
    return re.search(r'data-assignment="([^"]*)"', html(response))[1]


class TestTheNextItem:
    def test_it_is_shown_and_asking_again_shows_the_same_one(self, me, project):
        for _ in range(3):
            create_item(project)
        create_batch(project)
        first = shown_key(me.get(url("rate", project)))
        assert shown_key(me.get(url("rate", project))) == first

    def test_prompt_and_response_are_shown(self, me, project):
        create_response(project, turns=["**四つ**です。"])
        create_batch(project)
        assert "<strong>四つ</strong>です。" in html(me.get(url("rate", project)))

    def test_earlier_turns_come_before_the_question(self, me, project):
        response = create_response(project, turns=["answer one", "answer two"])
        response.prompt.turns = [
            {"role": "user", "content": "ask one"},
            {"role": "user", "content": "ask two"},
        ]
        response.prompt.save()
        create_batch(project, items=[response.items.get(turn=2)])
        shown = html(me.get(url("rate", project)))
        places = [shown.index(text) for text in ("ask one", "answer one", "ask two", "answer two")]
        assert places == sorted(places)

    def test_the_first_turn_shows_nothing_of_the_second(self, me, project):
        response = create_response(project, turns=["answer one", "answer two"])
        response.prompt.turns = [
            {"role": "user", "content": "ask one"},
            {"role": "user", "content": "ask two"},
        ]
        response.prompt.save()
        create_batch(project, items=[response.items.get(turn=1)])
        assert (
            "two"
            not in html(me.get(url("rate", project)))
            .split('id="words"')[0]
            .split("<article")[1]
            .split("</article")[0]
        )

    @pytest.mark.parametrize("allowed", [True, False])
    def test_reference_and_checklist_are_shown_only_if_the_project_says_so(self, me, project, allowed):
        item = create_item(project)
        item.prompt.reference, item.prompt.checklist = "the reference", ["the point"]
        item.prompt.save()
        project.raters_see_reference = project.raters_see_checklist = allowed
        project.save()
        create_batch(project)
        shown = html(me.get(url("rate", project)))
        assert ("the reference" in shown) is allowed
        assert ("the point" in shown) is allowed

    def test_nothing_left_is_said_with_thanks_and_where_to_go(self, me, project, rater):
        item = create_item(project)
        batch = create_batch(project, items=[item])
        rate(batch.assignments.first(), rater, {"relevance": 1, "fluency": 1})
        shown = html(me.get(url("rate", project)))
        assert "Nothing left to rate. Thank you." in shown
        assert "You have rated 1 item in this project, 1 of them today." in shown
        assert url("my_ratings", project) in shown

    def test_without_a_batch_there_is_nothing_yet(self, me, project):
        assert "Nothing to rate yet" in html(me.get(url("rate", project)))

    def test_it_is_in_the_readers_language_and_falls_back_to_the_other(self, me, project):
        create_batch(project, items=[create_item(project)])
        project.rubrics.get().axes.filter(key="fluency")
        shown = html(me.get(url("rate", project), headers={"accept-language": "ja"}))
        assert "fluency（日本語）" in shown
        assert "段階5" in shown
        assert "保存して次へ" in shown

    def test_words_missing_in_one_language_are_taken_from_the_other(self, me, project):
        project.rubrics.get().axes.filter(key="fluency").update(label_ja="")
        create_batch(project, items=[create_item(project)])
        shown = html(me.get(url("rate", project), headers={"accept-language": "ja"}))
        assert ">Fluency<" in shown
        assert "relevance（日本語）" in shown

    def test_it_is_never_kept_by_a_cache(self, me, project):
        create_batch(project, items=[create_item(project)])
        assert "no-store" in me.get(url("rate", project))["Cache-Control"]


class TestSubmitting:
    @pytest.fixture
    def seat(self, project, rater):
        for _ in range(3):
            create_item(project)
        create_batch(project)
        return claim_next(rater=rater)

    def test_the_rating_is_kept_and_the_next_item_is_the_answer(self, me, project, seat):
        sent = scores(comment="良い", flagged="1", seconds="12.5")
        response = me.post(url("submit", project, seat.key), sent, headers=HTMX)
        assert response.status_code == 200
        assert response["X-Hyotei-Saved"] == sent["submission"]
        seat.refresh_from_db()
        assert (seat.state, seat.comment, seat.flagged, seat.seconds) == ("submitted", "良い", True, 12.5)
        assert list(seat.scores.order_by("axis__position").values_list("value", flat=True)) == [4, 5]
        following = Assignment.objects.get(key=shown_key(response))
        assert following.state == "open"
        assert following != seat
        assert html(response).lstrip().startswith("<section")

    def test_without_a_script_it_leads_on_to_the_next_item(self, me, project, seat):
        response = me.post(url("submit", project, seat.key), scores())
        assert (response.status_code, response["Location"]) == (302, url("rate", project))

    def test_sending_it_again_changes_nothing_and_shows_the_same_next_item(self, me, project, seat):
        sent = scores()
        first = me.post(url("submit", project, seat.key), sent, headers=HTMX)
        again = me.post(url("submit", project, seat.key), sent, headers=HTMX)
        assert again.status_code == 200
        assert shown_key(first) == shown_key(again)
        assert Submission.objects.count() == 1
        assert Score.objects.count() == 2

    def test_other_scores_from_a_second_tab_are_put_aside_and_said_so(self, me, project, seat):
        me.post(url("submit", project, seat.key), scores(), headers=HTMX)
        response = me.post(url("submit", project, seat.key), scores(**{"axis:fluency": "1"}), headers=HTMX)
        assert "You had rated that item already." in html(response)
        assert seat.scores.get(axis__key="fluency").value == 5

    def test_after_an_answer_that_got_lost_the_page_may_send_something_else(self, me, project, seat):
        lost = scores()
        me.post(url("submit", project, seat.key), lost, headers=HTMX)
        sent = scores(**{"axis:fluency": "1", "earlier": lost["submission"]})
        response = me.post(url("submit", project, seat.key), sent, headers=HTMX)
        assert response["X-Hyotei-Saved"] == sent["submission"]
        assert seat.scores.get(axis__key="fluency").value == 1

    def test_what_was_sent_earlier_by_somebody_else_opens_no_door(self, me, project, seat):
        other = create_member(project)
        theirs = claim_next(rater=other)
        me.force_login(other.user)
        sent = scores()
        me.post(url("submit", project, theirs.key), sent, headers=HTMX)
        me.force_login(seat.rater.user)
        me.post(
            url("submit", project, theirs.key),
            scores(**{"axis:fluency": "1", "earlier": sent["submission"]}),
            headers=HTMX,
        )
        assert theirs.scores.get(axis__key="fluency").value == 5

    def test_cannot_judge_is_kept_with_its_reason(self, me, project, seat):
        me.post(
            url("submit", project, seat.key),
            scores(**{"axis:fluency": "na", "reason:fluency": "unsure"}),
            headers=HTMX,
        )
        score = seat.scores.get(axis__key="fluency")
        assert (score.value, score.na_reason) == (None, "unsure")

    def test_a_reason_left_over_beside_a_score_does_no_harm(self, me, project, seat):
        me.post(url("submit", project, seat.key), scores(**{"reason:fluency": "unsure"}), headers=HTMX)
        assert seat.scores.get(axis__key="fluency").value == 5

    @pytest.mark.parametrize(
        ("sent", "said"),
        [
            ({"axis:fluency": ""}, "give a score, or say that you cannot judge"),
            ({"axis:fluency": "6"}, "this value is not on the scale"),
            ({"axis:fluency": "4.5"}, "this value is not on the scale"),
            ({"axis:fluency": "nan"}, "this value is not on the scale"),
            ({"axis:fluency": "<b>"}, "this value is not on the scale"),
            ({"axis:fluency": "na"}, "say why you cannot judge"),
            ({"axis:fluency": "na", "reason:fluency": "tired"}, "say why you cannot judge"),
        ],
    )
    @pytest.mark.parametrize("headers", [HTMX, {}], ids=["with a script", "without"])
    def test_what_is_missing_or_wrong_comes_back_explained_with_all_that_was_typed(
        self, me, project, seat, sent, said, headers
    ):
        sent = {"axis:relevance": "2", "comment": "まだ途中", "flagged": "1"} | sent
        response = me.post(url("submit", project, seat.key), sent, headers=headers)
        assert response.status_code == 422
        shown = html(response)
        assert said in shown
        assert "まだ途中" in shown
        assert re.search(r'name="axis:relevance" value="2" required checked', shown)
        assert re.search(r'name="flagged" value="1" checked', shown)
        assert seat.scores.count() == 0

    def test_the_address_of_a_form_that_came_back_can_be_loaded_again(self, me, project, seat):
        response = me.get(url("submit", project, seat.key), follow=True)
        assert shown_key(response) == str(seat.key)

    def test_a_comment_that_is_too_long_comes_back(self, me, project, seat):
        response = me.post(url("submit", project, seat.key), scores(comment="あ" * 10_001), headers=HTMX)
        assert response.status_code == 422
        assert "あ" * 10_001 in html(response)

    @pytest.mark.parametrize(
        "odd",
        [
            {"submission": "x"},
            {"submission": ""},
            {"seconds": "x"},
            {"seconds": "-1"},
            {"seconds": "nan"},
            {"progress": "x:y"},
            {"earlier": "x y"},
        ],
    )
    def test_a_page_that_keeps_bad_time_loses_no_rating(self, me, project, seat, odd):
        assert me.post(url("submit", project, seat.key), scores(**odd), headers=HTMX).status_code == 200
        assert seat.scores.count() == 2

    def test_nul_and_half_characters_are_left_out(self, me, project, seat):
        assert me.post(
            url("submit", project, seat.key), scores(comment="a\0b"), headers=HTMX
        ).status_code in (200, 422)

    def test_whoever_is_logged_out_is_told_so_and_nothing_is_lost_on_the_way(self, client, project, seat):
        response = client.post(url("submit", project, seat.key), scores(), headers=HTMX)
        assert response.status_code == 401
        without = client.post(url("submit", project, seat.key), scores())
        assert without["Location"].startswith(reverse("account_login"))

    def test_the_item_of_somebody_else_is_not_there(self, me, project, seat):
        theirs = claim_next(rater=create_member(project))
        response = me.post(url("submit", project, theirs.key), scores(), headers=HTMX)
        assert response.status_code == 404
        assert html(response) == "There is no such item for you."
        assert theirs.scores.count() == 0

    def test_a_seat_that_nobody_holds_is_not_there(self, me, project, seat):
        empty = Assignment.objects.empty().first()
        assert me.post(url("submit", project, empty.key), scores(), headers=HTMX).status_code == 404

    def test_an_id_used_for_another_item_is_refused_in_words(self, me, project, seat):
        sent = scores()
        following = shown_key(me.post(url("submit", project, seat.key), sent, headers=HTMX))
        response = me.post(url("submit", project, following), sent, headers=HTMX)
        assert response.status_code == 409
        assert "Load the page again" in html(response)

    def test_a_late_rating_is_kept_and_said_to_be_late(self, me, project, seat):
        Assignment.objects.filter(pk=seat.pk).update(lease_until="2020-01-01T00:00Z")
        response = me.post(url("submit", project, seat.key), scores(), headers=HTMX)
        assert "the time for that item was over" in html(response)
        assert seat.scores.count() == 2

    def test_a_late_and_incomplete_one_comes_back_though_somebody_else_has_the_seat(
        self, me, project, rater, seat
    ):
        give_back(rater=rater, key=seat.key)
        Assignment.objects.filter(pk=seat.pk).update(state="planned", rater=create_member(project))

        answer = me.post(
            url("submit", project, seat.key), {"axis:relevance": "4", "comment": "typed at length"}
        )

        assert answer.status_code == 422
        assert "typed at length" in html(answer)

    def test_one_submit_takes_few_queries(self, me, project, seat, django_assert_max_num_queries):
        response = me.get(url("rate", project))
        progress = re.search(r'name="progress" value="([^"]*)"', html(response))[1]
        me.post(url("submit", project, seat.key), scores(progress=progress), headers=HTMX)
        following = claim_next(rater=seat.rater)
        progress = mine(seat.rater, following.batch).carried
        with django_assert_max_num_queries(12):
            response = me.post(url("submit", project, following.key), scores(progress=progress), headers=HTMX)
        assert response.status_code == 200


class TestTheCardThatIsFilledIn:
    """The next item comes from a card that was rendered once, with marks where items differ."""

    @staticmethod
    def card_of(page):
        card = page[
            page.index('<section id="card"') : page.index("</section>\n", page.index('class="rate__foot"'))
            + 10
        ]
        card = re.sub(r"<title>.*?</title>", "", card)
        card = re.sub(r'(name="(?:csrfmiddlewaretoken|submission)" value=")[^"]*', r"\1", card)
        return [line.strip() for line in card.splitlines() if line.strip()]

    @pytest.mark.parametrize("language", ["en", "ja"])
    @pytest.mark.parametrize("filling", ["pool", "planned"])
    def test_it_is_the_same_as_the_card_of_a_page(self, me, project, rater, language, filling):
        project.raters_see_reference = project.raters_see_checklist = True
        project.save()
        for number in range(4):
            item = create_item(project, turns=[f"答え **{number}** <b> & 5d0c3f6e-done-mark"])
            item.prompt.reference, item.prompt.checklist = "reference", ["point"]
            item.prompt.save()
        batch = create_batch(project, filling=filling, raters_per_item=1, name="A & B")
        if filling == "planned":
            batch.assignments.update(state="planned", rater=rater)
        headers = {"accept-language": language}
        page = me.get(url("rate", project), headers=headers)
        for _ in range(3):
            progress = re.search(r'name="progress" value="([^"]*)"', html(page))[1]
            key = shown_key(page)
            alone = me.post(url("submit", project, key), scores(progress=progress), headers=HTMX | headers)
            page = me.get(url("rate", project), headers=headers)
            assert self.card_of(html(alone)) == self.card_of(html(page))
            assert "5d0c3f6e-done-mark" in html(alone)  # of the response, not ours
            assert len(re.findall("5d0c3f6e", html(alone))) == 1

    def test_it_carries_a_token_that_works(self, project, rater):
        for _ in range(3):
            create_item(project)
        create_batch(project)
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(rater.user)
        page = html(strict.get(url("rate", project)))
        for _ in range(2):
            sent = scores(progress=re.search(r'name="progress" value="([^"]*)"', page)[1])
            sent["csrfmiddlewaretoken"] = re.search(r'name="csrfmiddlewaretoken" value="([^"]*)"', page)[1]
            key = re.search(r'data-assignment="([^"]*)"', page)[1]
            response = strict.post(url("submit", project, key), sent, headers=HTMX)
            assert response.status_code == 200
            page = html(response)


class TestOwnRatings:
    @pytest.fixture
    def rating(self, project, rater):
        batch = create_batch(project, items=[create_item(project)])
        return rate(batch.assignments.first(), rater, {"relevance": 2, "fluency": None})

    def test_they_are_listed_with_their_scores(self, me, project, rating):
        shown = html(me.get(url("my_ratings", project)))
        assert rating.item.prompt.turns[0]["content"] in shown
        assert re.search(r"<dd[^>]*>2<", shown)
        assert "cannot judge" in shown

    def test_the_list_does_not_ask_more_for_more_ratings(self, me, project, rater, django_assert_num_queries):
        def rate_some(n):
            batch = create_batch(project, items=[create_item(project) for _ in range(n)])
            for seat in batch.assignments.filter(seat=1):
                rate(seat, rater, {"relevance": 2, "fluency": 3})

        rate_some(1)
        me.get(url("my_ratings", project))  # the rubric is read once
        with django_assert_num_queries(7):
            me.get(url("my_ratings", project))
        rate_some(20)
        with django_assert_num_queries(7):
            me.get(url("my_ratings", project))

    def test_one_can_be_changed_while_the_batch_is_open(self, me, project, rating):
        shown = html(me.get(url("assignment", project, rating.key)))
        assert re.search(r'name="axis:relevance" value="2" required checked', shown)
        assert re.search(r'name="axis:fluency" value="na" required checked', shown)
        sent = scores(change="1", seconds="3")
        response = me.post(url("submit", project, rating.key), sent, headers=HTMX)
        assert response["HX-Redirect"] == url("my_ratings", project)
        assert response["X-Hyotei-Saved"] == sent["submission"]
        assert rating.scores.get(axis__key="relevance").value == 4

    def test_one_can_be_changed_without_a_script(self, me, project, rating):
        response = me.post(url("submit", project, rating.key), scores(change="1"), follow=True)
        assert "Your rating was changed." in html(response)

    def test_in_a_closed_batch_it_can_be_read_only(self, me, project, rating):
        close(batch=rating.batch)
        shown = html(me.get(url("assignment", project, rating.key)))
        assert "can be read, not changed" in shown
        assert '<button class="btn btn--primary btn--large"' not in shown
        response = me.post(url("submit", project, rating.key), scores(change="1"), headers=HTMX)
        assert response.status_code == 409
        assert html(response) == "The batch is paused or closed."
        assert rating.scores.get(axis__key="relevance").value == 2

    def test_the_list_can_be_narrowed_to_a_batch_and_to_flagged_ones(self, me, project, rater, rating):
        other = create_batch(project, items=[create_item(project)], name="other one")
        rate(other.assignments.first(), rater, {"relevance": 1, "fluency": 1})
        Assignment.objects.filter(pk=rating.pk).update(flagged=True)
        listed = me.get(url("my_ratings", project), {"batch": "other one"}).context["rows"]
        assert [row["rating"].batch.name for row in listed] == ["other one"]
        assert [
            row["rating"] for row in me.get(url("my_ratings", project), {"flagged": 1}).context["rows"]
        ] == [rating]
        assert len(me.get(url("my_ratings", project), {"batch": "no such"}).context["rows"]) == 2

    def test_those_of_others_are_neither_listed_nor_opened(self, me, project):
        batch = create_batch(project, items=[create_item(project)])
        theirs = rate(batch.assignments.first(), create_member(project), {"relevance": 5, "fluency": 5})
        assert me.get(url("my_ratings", project)).context["rows"] == []
        assert me.get(url("assignment", project, theirs.key)).status_code == 404


class TestLeavingAnItem:
    @pytest.fixture
    def seat(self, project, rater):
        create_item(project)
        create_batch(project)
        return claim_next(rater=rater)

    def test_it_can_be_skipped_with_a_reason(self, me, project, seat):
        response = me.post(url("skip", project, seat.key), {"reason": "つらい内容"}, follow=True)
        seat.refresh_from_db()
        assert (seat.state, seat.skip_reason) == ("skipped", "つらい内容")
        assert "Skipped." in html(response)

    def test_without_a_reason_it_is_not_skipped(self, me, project, seat):
        response = me.post(url("skip", project, seat.key), {"reason": " "}, follow=True)
        seat.refresh_from_db()
        assert seat.state == "open"
        assert "Give a reason." in html(response)

    def test_it_can_be_given_back(self, me, project, seat):
        me.post(url("give_back", project, seat.key))
        seat.refresh_from_db()
        assert (seat.state, seat.rater) == ("empty", None)

    def test_the_page_keeps_the_lease_alive_while_somebody_is_at_work(self, me, project, seat):
        Assignment.objects.filter(pk=seat.pk).update(lease_until="2020-01-01T00:00Z")
        assert me.post(url("renew", project, seat.key)).status_code == 204
        before = seat.lease_until
        seat.refresh_from_db()
        assert seat.lease_until >= before

    def test_nobody_skips_gives_back_or_renews_for_somebody_else(self, client, project, seat):
        client.force_login(create_member(project).user)
        for name in ("skip", "give_back", "renew"):
            assert client.post(url(name, project, seat.key), {"reason": "x"}).status_code == 404
        seat.refresh_from_db()
        assert seat.state == "open"

    def test_a_link_to_an_item_while_another_is_open_leads_to_the_open_one(self, me, project, rater, seat):
        planned = create_batch(project, items=[create_item(project)], filling="planned", raters_per_item=1)
        planned.assignments.update(state="planned", rater=rater)
        response = me.get(url("assignment", project, planned.assignments.get().key), follow=True)
        assert shown_key(response) == str(seat.key)
        assert "You have another item open." in html(response)

    def test_a_link_into_a_paused_batch_says_so(self, me, project, rater):
        batch = create_batch(project, items=[create_item(project)], filling="planned", raters_per_item=1)
        batch.assignments.update(state="planned", rater=rater)
        pause(batch=batch)
        response = me.get(url("assignment", project, batch.assignments.get().key), follow=True)
        assert "The batch is paused or closed." in html(response)


def test_the_list_shows_the_beginning_of_the_text_without_markup(me, project, rater):
    prompt = create_prompt(project, turns=[{"role": "user", "content": "**Solve** $x^2 = 4$"}])
    item = create_item(project, prompt=prompt, turns=["# Answer\n\n`x` is $\\frac{4}{2}$"])
    rate(
        create_batch(project, items=[item], raters_per_item=1).assignments.get(),
        rater,
        {"relevance": 1, "fluency": 1},
    )
    row = me.get(url("my_ratings", project)).context["rows"][0]
    assert (row["question"], row["answer"]) == ("Solve x^2=4", "Answer x is 4/2")


PAGES = ["rate", "my_ratings"]
PARTS = ["assignment", "submit", "skip", "give_back", "renew"]


@pytest.mark.parametrize("name", PAGES + PARTS)
def test_a_stranger_is_told_that_there_is_no_such_page(client, project, rater, name):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    client.force_login(create_user())
    address = url(name, project, *([seat.key] if name in PARTS else []))
    method = client.get if name in (*PAGES, "assignment") else client.post
    assert method(address).status_code == 404


@pytest.mark.parametrize("name", PAGES + PARTS)
@pytest.mark.parametrize(
    ("language", "words"), [("en", "You no longer take part"), ("ja", "参加は終了しています")]
)
def test_a_rater_who_was_deactivated_while_on_an_item_is_told(me, project, rater, name, language, words):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    deactivate(member=rater)
    User.objects.filter(pk=rater.user_id).update(language=language)
    address = url(name, project, *([seat.key] if name in PARTS else []))
    ask = me.get if name in (*PAGES, "assignment") else me.post
    response = ask(address, headers={"Accept-Language": language})
    assert response.status_code == 404
    assert words in html(response)
    assert project.name not in html(response)
    for_script = ask(address, headers={"Accept-Language": language} | HTMX)
    assert for_script.headers["Content-Type"].startswith("text/plain")
    assert words in for_script.text


@pytest.mark.parametrize("name", PAGES + PARTS)
@pytest.mark.parametrize("role", ["is_coordinator", "is_researcher"])
def test_other_roles_do_not_rate(client, project, rater, name, role):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    client.force_login(create_member(project, **{role: True}).user)
    address = url(name, project, *([seat.key] if name in PARTS else []))
    method = client.get if name in (*PAGES, "assignment") else client.post
    assert method(address).status_code == 404


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("rate", "post"),
        ("my_ratings", "post"),
        ("assignment", "post"),
        ("submit", "put"),
        ("skip", "get"),
        ("give_back", "get"),
        ("renew", "get"),
    ],
)
def test_other_methods_are_refused(me, project, name, method):
    address = url(name, project, *([uuid.uuid4()] if name in PARTS else []))
    assert getattr(me, method)(address).status_code == 405


class TestProgress:
    def test_it_counts_in_the_batch_and_today(self, project, rater):
        first = create_batch(project, items=[create_item(project), create_item(project)])
        second = create_batch(project, items=[create_item(project)])
        for seat in [*first.assignments.filter(seat=1), second.assignments.first()]:
            rate(seat, rater, {"relevance": 1, "fluency": 1})
        Assignment.objects.filter(batch=first, seat=1, item=first.assignments.first().item).update(
            submitted_at="2020-01-01T00:00Z"
        )
        counted = mine(rater, first)
        assert (counted.done, counted.planned, counted.today) == (2, 0, 2)
        assert mine(rater, None).done == 3

    def test_a_planned_batch_has_a_total(self, project, rater):
        batch = create_batch(
            project, items=[create_item(project) for _ in range(3)], filling="planned", raters_per_item=1
        )
        batch.assignments.update(state="planned", rater=rater)
        claim_next(rater=rater)
        counted = mine(rater, batch)
        assert (counted.done, counted.total) == (0, 3)

    def test_it_goes_up_by_one_without_counting(self, project, rater, django_assert_num_queries):
        create_batch(project, items=[create_item(project)])
        seat = claim_next(rater=rater)
        before = mine(rater, seat.batch)
        with django_assert_num_queries(0):
            after = mine_after(before.carried, seat)
        assert after == before._replace(done=1, today=1)

    @pytest.mark.parametrize(
        "carried",
        [
            "",
            "1",
            "a:b:c:d:e",
            "1:2:3:4:2020-01-01",
            "-1:2:3:4:{day}",
            "0:1:1:1:{day}",
            "{batch}:19:0:0:{day}",
        ],
    )
    def test_it_is_counted_anew_when_the_page_cannot_know(self, project, rater, carried):
        create_batch(project, items=[create_item(project)])
        seat = claim_next(rater=rater)
        day = mine(rater, seat.batch).day
        assert mine_after(carried.format(batch=seat.batch_id, day=day), seat) is None

    def test_what_the_page_sends_back_is_what_it_was_given(self):
        assert ":".join(map(str, Mine(3, 4, 5, 6, "2026-11-22"))) == Mine(3, 4, 5, 6, "2026-11-22").carried


@pytest.mark.parametrize(
    "fields", [{}, {"active": False}, {"is_rater": False, "is_researcher": True}, {"group": "students"}]
)
def test_who_may_rate_and_who_may_submit_are_the_same(project, fields):
    member = create_member(project, is_rater=True)
    Member.objects.filter(pk=member.pk).update(**fields)
    by_orm = Member.objects.belonging_to(member.user).raters().select_related("project").first()
    found = rater_of(member.user.pk, project.slug)
    assert found == by_orm
    assert rater_of(member.user.pk, "another") is None
    if found:
        assert vars(by_orm).keys() - vars(found).keys() == {"created_at"}  # read when it is asked for
        assert model_to_dict(found) == model_to_dict(by_orm)
        assert model_to_dict(found.project) == model_to_dict(by_orm.project)
