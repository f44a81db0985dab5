"""Answers of a bundle in whatever order they come: in memory, in a table, or some here and some there."""

import json
import random

import pytest
from django.db import transaction

from projects.loading import NotLoaded, load
from projects.loading.bundles import stores
from projects.models import Response
from tests.factories import create_project, create_prompt

pytestmark = pytest.mark.django_db

CONVERSATIONS, TURNS = 6, 2


@pytest.fixture
def project():
    project = create_project(slug="study")
    for n in range(CONVERSATIONS):
        turns = [{"role": "user", "content": f"質問 {n}、その {turn + 1}"} for turn in range(TURNS)]
        create_prompt(project, key=f"p{n}", turns=turns)
    return project


def lines_of(folder, *outcomes):
    """Lines of a journal: (conversation, turn, text), where None is a failure that may be tried again."""
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    job = json.loads((folder / "manifest.json").read_text())["job_id"]
    for number, turn, text in outcomes:
        item = items[number]["item_id"]
        line = {
            "v": 1,
            "job_id": job,
            "run_id": "r",
            "item_id": item,
            "custom_id": f"{item}-{turn}",
            "turn": turn,
        }
        if text is None:
            line |= {"status": "error", "error": {"type": "timeout", "message": "…", "retryable": True}}
        else:
            line |= {"status": "ok", "settled": True, "content": text, "finish_reason": "stop"}
        yield line


def write(folder, outcomes):
    lines = [json.dumps(line, ensure_ascii=False) for line in lines_of(folder, *outcomes)]
    (folder / "results-1-of-1.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def loaded(project, *folders):
    """What a load of these makes of an empty project, with the report; nothing of it stays."""
    with transaction.atomic():
        report = load(project=project, files=folders)
        found = {
            key: (turns, generation["runs"])
            for key, turns, generation in Response.objects.values_list("prompt__key", "turns", "generation")
        }
        transaction.set_rollback(True)
    return report, found


def expected(outcomes):
    """Of successes the first counts; conversations that lack a turn are left out."""
    answers = {}
    for number, turn, text in outcomes:
        if text is not None:
            answers.setdefault((number, turn), text)
    return {
        f"p{n}": [answers[n, turn] for turn in range(1, TURNS + 1)]
        for n in range(CONVERSATIONS)
        if all((n, turn) in answers for turn in range(1, TURNS + 1))
    }


@pytest.mark.parametrize("looked_up", [1, 4, 1000], ids="{} lines at once".format)
@pytest.mark.parametrize("waiting", [0, 3000, 10**9], ids="{} characters wait".format)
def test_any_order_and_any_repetition_come_to_the_same(project, bundle, monkeypatch, looked_up, waiting):
    monkeypatch.setattr(stores, "LOOKED_UP_AT_ONCE", looked_up)
    monkeypatch.setattr(stores, "MOST_WAITING", waiting)
    folder = bundle(CONVERSATIONS)
    for seed in range(8):
        rng = random.Random(seed)
        every = [(n, turn) for n in range(CONVERSATIONS) for turn in range(1, TURNS + 1)]
        outcomes = [
            (*one, f"{one} の答え {attempt}") for attempt in range(rng.randint(1, 3)) for one in every
        ]
        outcomes = [one for one in outcomes if rng.random() < 0.9] + [(*one, None) for one in every[::3]]
        if seed:  # the first is in order
            rng.shuffle(outcomes)
        write(folder, outcomes)

        report, found = loaded(project, folder)
        wanted = expected(outcomes)
        assert {key: turns for key, (turns, _runs) in found.items()} == wanted
        assert sum(report.left_out.values()) == CONVERSATIONS - len(wanted)


def test_bundles_that_share_conversations_answer_each_other(project, bundle):
    first, second = bundle(2, name="first"), bundle(3, name="second")
    write(first, [(0, 1, "あ")])
    write(second, [(0, 1, "後"), (0, 2, "い"), (1, 1, "う"), (1, 2, "え")])

    _report, found = loaded(project, first, second)
    assert {key: turns for key, (turns, _runs) in found.items()} == {"p0": ["あ", "い"], "p1": ["う", "え"]}


def test_an_answer_to_nothing_known_is_told_wherever_it_stands(project, bundle, monkeypatch):
    monkeypatch.setattr(stores, "LOOKED_UP_AT_ONCE", 2)
    folder = bundle(2)
    write(folder, [(n, turn, "答え") for n in range(2) for turn in (1, 2)])
    path = folder / "results-1-of-1.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    stranger = json.dumps(json.loads(lines[0]) | {"item_id": "f" * 32}, ensure_ascii=False)
    path.write_text("\n".join([*lines[:3], stranger, *lines[3:], stranger]) + "\n", encoding="utf-8")

    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=[folder])
    assert refused.value.report.n_errors == 2
    assert "results-1-of-1.jsonl, line 4" in str(refused.value.report.errors[0])
    assert not Response.objects.exists()


@pytest.mark.parametrize("at", [0, 3, 4], ids=["first", "last of its conversation", "when all are handed on"])
def test_an_answer_of_another_job_is_refused_wherever_it_stands(project, bundle, monkeypatch, at):
    monkeypatch.setattr(stores, "LOOKED_UP_AT_ONCE", 1)
    folder = bundle(2)
    lines = list(lines_of(folder, *[(n, turn, "答え") for n in range(2) for turn in (1, 2)]))
    lines.insert(at, lines[at % 4] | {"job_id": "another"})
    path = folder / "results-1-of-1.jsonl"
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")

    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=[folder])
    assert f"line {at + 1}, job_id: This is an answer of another bundle" in str(refused.value)
