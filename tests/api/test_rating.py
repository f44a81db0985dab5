"""Rating over the API: the services of the pages, blind, each submit once."""

from __future__ import annotations

import json
import uuid

import pytest
from django.urls import reverse

from annotation.models import Assignment, Score, Submission
from projects.models import Project
from tests.factories import (
    create_batch,
    create_item,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    create_user,
    rate,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    project = create_project(slug="study")
    for _ in range(3):
        create_item(project, model=create_model(project))
    return project


@pytest.fixture
def batch(project):
    return create_batch(project, name="main-1")


@pytest.fixture
def rater(project, batch):
    return create_member(project)


def address(name, key=None):
    return reverse(f"api:{name}", args=["study", key] if key else ["study"])


def rating(**more):
    return {"submission_id": str(uuid.uuid4()), "scores": {"relevance": 4, "fluency": "unsure"}, **more}


def test_a_rater_rates_until_nothing_is_left(api, rater, batch):
    client = api(rater.user)
    seat = client.post(address("next")).json()
    done = []
    while seat:
        done.append(seat["key"])
        answer = client.post(address("submit", seat["key"]), rating(comment="ok", flagged=True, seconds=3.5))
        assert answer.status_code == 200
        assert answer.json()["outcome"] == "kept"
        assert answer.json()["seat"] == done[-1]
        seat = answer.json()["next"]
    assert len(set(done)) == 3
    assert client.post(address("next")).status_code == 204
    mine = Assignment.objects.filter(rater=rater)
    assert {(one.comment, one.flagged, one.seconds, one.state) for one in mine} == {
        ("ok", True, 3.5, "submitted")
    }
    assert set(Score.objects.values_list("axis__key", "value", "na_reason")) == {
        ("relevance", 4, None),
        ("fluency", None, "unsure"),
    }


def test_asking_again_gives_the_same_item(api, rater):
    client = api(rater.user)
    first, second = (client.post(address("next")).json() for _ in range(2))
    assert first["key"] == second["key"]
    assert client.get(address("seat", first["key"])).json()["answer"] == first["answer"]


def test_two_raters_get_different_seats_and_never_more_than_the_item_has(api, project, batch, rater):
    raters = [rater, create_member(project), create_member(project)]
    taken = []
    for one in raters:
        client = api(one.user)
        seat = client.post(address("next")).data
        while seat:
            taken.append((Assignment.objects.get(key=seat["key"]).item_id, one.pk))
            seat = client.post(address("submit", seat["key"]), rating()).json()["next"]
    assert len(taken) == len(set(taken)) == 6


def test_a_submit_that_is_sent_again_writes_nothing_and_answers_the_same(api, rater):
    client = api(rater.user)
    key = client.post(address("next")).json()["key"]
    sent = rating()
    first = client.post(address("submit", key), sent).json()
    again = client.post(address("submit", key), sent).json()
    assert (again["outcome"], again["seat"], again["repeated"]) == (first["outcome"], first["seat"], True)
    assert again["next"]["key"] == first["next"]["key"]
    assert Submission.objects.count() == 1
    assert Score.objects.count() == 2


def test_a_submission_id_of_somebody_elses_is_refused(api, project, rater):
    other = create_member(project)
    sent = rating()
    for member, status in [(rater, 200), (other, 409)]:
        client = api(member.user)
        key = client.post(address("next")).json()["key"]
        assert client.post(address("submit", key), sent).status_code == status


def test_the_next_item_is_left_alone_on_request(api, rater):
    client = api(rater.user)
    key = client.post(address("next")).json()["key"]
    assert client.post(address("submit", key), rating(claim_next=False)).json()["next"] is None
    assert not Assignment.objects.open().exists()


def test_an_item_of_one_batch_is_asked_for_by_name(api, project, batch, rater):
    other = create_batch(project, name="second", items=[create_item(project)])
    closed_to_them = create_batch(
        project, name="third", open_to="group", group="others", items=[create_item(project)]
    )
    client = api(rater.user)
    assert client.post(address("next"), {"batch": other.name}).json()["batch"] == "second"
    for name in [closed_to_them.name, "no such"]:
        assert client.post(address("next"), {"batch": name}).status_code == 404


def test_a_rating_is_changed_while_its_batch_is_open(api, rater, batch):
    client = api(rater.user)
    key = client.post(address("next")).json()["key"]
    client.post(address("submit", key), rating())
    changed = client.post(address("change", key), rating(scores={"relevance": 1, "fluency": 2}))
    assert changed.json()["outcome"] == "changed"
    assert client.get(address("seat", key)).json()["scores"] == {"relevance": 1, "fluency": 2}
    batch.state, batch.closed_at = "paused", None
    batch.save()
    refused = client.post(address("change", key), rating())
    assert refused.status_code == 409
    assert refused.json() == {"detail": "The batch is paused or closed."}


def test_an_item_is_skipped_with_a_reason_given_back_and_kept_longer(api, rater):
    client = api(rater.user)
    first = client.post(address("next")).json()
    assert client.post(address("skip", first["key"]), {"reason": " "}).status_code == 400
    assert client.post(address("skip", first["key"]), {}).json() == {"reason": ["This field is required."]}
    assert client.post(address("skip", first["key"]), {"reason": "in French"}).status_code == 204
    second = client.post(address("next")).json()
    assert second["key"] != first["key"]
    until = client.post(address("renew", second["key"])).json()["lease_until"]
    assert until > second["lease_until"]
    assert client.post(address("give_back", second["key"])).status_code == 204
    assert Assignment.objects.get(key=second["key"]).state == "empty"
    assert client.get(address("seat", second["key"])).status_code == 404
    assert client.post(address("renew", second["key"])).status_code == 404


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"relevance": 4}, {"fluency": ["give a score, or say that you cannot judge"]}),
        ({"relevance": 6, "fluency": 1}, {"relevance": ["this value is not on the scale"]}),
        ({"relevance": "tired", "fluency": 1}, {"relevance": ["no such reason"]}),
        ({"relevance": 1, "fluency": 1, "style": 1}, {"style": ["the rubric has no such axis"]}),
        ({"relevance": 10**400, "fluency": 1}, {"relevance": ["this value is not on the scale"]}),
        (
            {"relevance": True, "fluency": 1},
            {"relevance": ["A number, or a reason why it cannot be judged."]},
        ),
        ({"relevance": None, "fluency": 1}, {"relevance": ["This field may not be null."]}),
        ({"relevance": [1], "fluency": 1}, {"relevance": ["A number, or a reason why it cannot be judged."]}),
    ],
)
def test_what_fits_no_scale_comes_back_explained_by_axis(api, rater, scores, said):
    client = api(rater.user)
    key = client.post(address("next")).json()["key"]
    answer = client.post(address("submit", key), rating(scores=scores))
    assert answer.status_code == 400
    assert answer.json() == {"scores": said}
    assert Assignment.objects.get(key=key).state == "open"


@pytest.mark.parametrize(
    "body",
    [
        '{"submission_id": "x", "scores": {}}',
        '{"scores": {"relevance": 1, "fluency": 1}}',
        "[1]",
        "{",
        '{"submission_id": "6b4bd36e-7f5f-4c5c-8e0a-111111111111", "scores": {"relevance": NaN}}',
        '{"submission_id": "6b4bd36e-7f5f-4c5c-8e0a-111111111111", "scores": [1]}',
    ],
)
def test_a_body_that_makes_no_sense_is_refused(api, rater, body):
    client = api(rater.user)
    key = client.post(address("next")).json()["key"]
    assert client.post(address("submit", key), body, content_type="application/json").status_code == 400


# --- who sees what ---------------------------------------------------------------------------------------------------


def test_strangers_former_raters_and_other_roles_find_no_project_to_rate_in(api, project, batch, rater):
    seat = batch.assignments.first()
    people = [
        create_user(),
        create_member(project, active=False).user,
        create_member(project, is_researcher=True).user,
        create_member(create_project(), is_rater=True).user,
    ]
    for user in people:
        client = api(user)
        assert client.post(address("next")).status_code == 404
        assert client.get(address("seat", seat.key)).status_code == 404
        for name in ["submit", "change"]:
            assert client.post(address(name, seat.key), rating()).status_code == 404
        for name in ["skip", "give_back", "renew"]:
            assert client.post(address(name, seat.key), {"reason": "x"}).status_code == 404
    assert not Submission.objects.exists()


def test_whoever_says_nothing_of_who_they_are_is_asked_for_a_token(api, batch):
    answer = api().post(address("next"))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="Hyotei"'


def test_a_seat_of_somebody_else_or_of_nobody_is_not_there(api, project, batch, rater):
    other = create_member(project)
    theirs = api(other.user).post(address("next")).json()["key"]
    empty = batch.assignments.filter(state="empty").first().key
    client = api(rater.user)
    for key in [theirs, empty, uuid.uuid4()]:
        assert client.get(address("seat", key)).status_code == 404
        assert client.post(address("submit", key), rating()).status_code == 404
        assert client.post(address("skip", key), {"reason": "x"}).status_code == 404
        assert client.post(address("change", key), rating()).status_code == 404


def test_nothing_that_a_rater_is_sent_tells_the_model_or_another_raters_score(api, project):
    prompt = create_prompt(project, key="SECRET-PROMPT-KEY", source="SECRET-SOURCE", metadata={"SECRET": 1},
                           reference="SECRET-REFERENCE", checklist=["SECRET-CHECK"], answer="SECRET-ANSWER")  # fmt: skip
    model = create_model(project, "SECRET-MODEL")
    response = create_response(
        project, prompt=prompt, model=model, generation={"engine": "SECRET"}, metadata={"x": "SECRET"}
    )
    batch = create_batch(project, name="blind", items=[response.items.get()])
    first, second = create_member(project), create_member(project, external_name="SECRET-NAME")
    rate(batch.assignments.get(seat=1), second, {"relevance": 5, "fluency": 5})
    batch.assignments.filter(seat=1).update(comment="SECRET-COMMENT")
    client = api(first.user)
    seat = client.post(address("next"), {"batch": "blind"}).json()
    sent = [seat, client.post(address("submit", seat["key"]), rating()).json(),
            client.get(address("seat", seat["key"])).json()]  # fmt: skip
    assert "SECRET" not in json.dumps(sent)
    for value in (prompt.pk, response.pk, model.pk):
        assert f'"{value}"' not in json.dumps(sent)
    assert set(seat) == {
        "key", "batch", "state", "lease_until", "earlier", "question", "answer", "cut_off", "reference", "checklist",
        "guidelines", "axes", "na_reasons", "scores", "comment", "flagged",
    }  # fmt: skip


def test_a_reference_is_shown_where_the_project_says_so(api, project):
    Project.objects.filter(pk=project.pk).update(raters_see_reference=True, raters_see_checklist=True)
    item = create_item(project, prompt=create_prompt(project, reference="As it is.", checklist=["a", "b"]))
    create_batch(project, items=[item])
    seat = api(create_member(project).user).post(address("next")).json()
    assert seat["reference"] == "As it is."
    assert seat["checklist"] == ["a", "b"]


def test_a_second_turn_comes_with_what_was_said_before(api, project):
    turns = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "1?"},
        {"role": "user", "content": "2?"},
    ]
    response = create_response(project, prompt=create_prompt(project, turns=turns), turns=["1!", "2!"])
    create_batch(project, items=[response.items.get(turn=2)])
    seat = api(create_member(project).user).post(address("next")).json()
    assert [said["content"] for said in seat["earlier"]] == ["S", "1?", "1!"]
    assert (seat["question"]["content"], seat["answer"]["content"]) == ("2?", "2!")


def test_raters_may_read_none_of_the_projects_data(api, rater):
    client = api(rater.user)
    for name in ["prompts", "responses", "ratings", "batches"]:
        assert client.get(address(name)).status_code == 404
    assert client.get(reverse("api:projects")).json()["results"][0]["roles"] == ["rater"]


def test_submitting_and_being_handed_the_next_takes_few_statements(api, rater, django_assert_max_num_queries):
    client = api(rater.user)
    key = client.post(address("next")).json()["key"]
    with django_assert_max_num_queries(24):
        client.post(address("submit", key), rating())


@pytest.mark.parametrize("name", ["next", "submit", "change", "skip", "give_back", "renew"])
def test_what_changes_something_is_posted(api, rater, name):
    client = api(rater.user)
    assert client.get(address(name, None if name == "next" else uuid.uuid4())).status_code == 405
