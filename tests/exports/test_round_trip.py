"""What is taken away is loaded into a new project, and both are equal."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command

from annotation.models import Assignment, Score
from projects.models import Prompt, Response
from tests.factories import (
    create_batch,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    rate,
)

pytestmark = pytest.mark.django_db

AXES = ("relevance", "fluency", "accuracy", "detail", "overall")
HOSTILE = [
    '=HYPERLINK("http://example.invalid")',
    "- a list\n- of things\n\n+1",
    "'=already guarded",
    '@someone, "quoted"; tab\there',
    "　全角の空白と𠮷と👩‍👩‍👧　",
    "_x0041_ <b>&amp;</b>",
    "NA",
    "1e5",
    "末尾に改行なし\r\nCRLF",
]


def contents(project, *, with_batches=True):
    """Everything that is known of a project, whatever its primary keys are."""
    prompts = list(
        Prompt.objects.filter(project=project).order_by("key").values_list(
            "key", "turns", "source", "category", "tags", "reference", "checklist", "options", "answer", "metadata"
        )
    )  # fmt: skip
    responses = list(
        Response.objects.filter(prompt__project=project).order_by("prompt__key", "model__name", "sample").values_list(
            "prompt__key", "model__name", "sample", "turns", "generation", "metadata"
        )
    )  # fmt: skip
    seat = [
        "rater__pseudonym",
        "rater__kind",
        "purpose",
        "occasion",
        "comment",
        "flagged",
        "seconds",
        "submitted_at",
    ]
    if with_batches:
        seat.append("batch__name")
    where = ["item__prompt__key", "item__response__model__name", "item__response__sample", "item__turn"]
    ratings = [
        (
            *rating[:-1],
            tuple(
                Score.objects.filter(assignment=rating[-1])
                .order_by("axis__position")
                .values_list("axis__key", "value", "na_reason")
            ),
        )
        for rating in Assignment.objects.filter(batch__project=project, state="submitted")
        .order_by(*where, "rater__pseudonym", "occasion")
        .values_list(*where, *seat, "pk")
    ]
    return {"prompts": prompts, "responses": responses, "ratings": ratings}


@pytest.fixture
def project():
    """Hostile texts, two turns, two samples, a repeat, missing comments, zeros and "cannot judge"."""
    project = create_project(slug="here", axes=AXES, points=(0, 1, 2, 3, 4, 5))
    models = [create_model(project, name) for name in ("swallow", "=calm")]
    for number, text in enumerate(HOSTILE):
        prompt = create_prompt(
            project, key=f"elyza###{number:03}", turns=[{"role": "user", "content": text}, {"role": "user", "content": "2"}],
            source="elyza", category="c", tags=["日本語", "=tag"], reference=text, checklist=["a", "b"], options=["x"],
            answer="x", metadata={"n": number, "nested": {"a": [1, None]}},
        )  # fmt: skip
        for model in models:
            create_response(
                project,
                prompt=prompt,
                model=model,
                turns=[text, "二つ目"],
                generation={"seed": number, "t": 0.7},
            )
    create_response(project, prompt=prompt, model=models[0], sample=1, turns=["another", "二"])
    raters = [create_member(project), create_member(project, kind="simulated", login=False)]
    batch = create_batch(project, name="main 1")
    for number, seat in enumerate(batch.assignments.order_by("pk")):
        values = {axis: (number + at) % 6 for at, axis in enumerate(AXES)}
        rate(seat, raters[seat.seat - 1], values | {"detail": None} if number % 3 == 0 else values)
        Assignment.objects.filter(pk=seat.pk).update(
            comment=HOSTILE[number % len(HOSTILE)].strip() if number % 2 else "",
            flagged=number % 5 == 0,
            seconds=number + 0.25,
        )
    again = create_batch(project, name="again", purpose="repeat", items=[], raters_per_item=1)
    item = project.items.first()
    seat = Assignment.objects.create(batch=again, item=item, seat=1, occasion=2, purpose="repeat")
    rate(seat, raters[0], dict.fromkeys(AXES, 2))
    return project


def run(*arguments):
    call_command(*map(str, arguments))


@pytest.mark.parametrize("table", ["long", "wide"])
@pytest.mark.parametrize("name", ["csv", "tsv", "jsonl", "parquet", "xlsx"])
def test_prompts_responses_and_ratings_come_back_equal(project, tmp_path, name, table, capsys):
    run("export", "here", "--out", tmp_path, "--format", name, "--table", "all")
    there = create_project(slug="there", axes=AXES, points=(0, 1, 2, 3, 4, 5))
    if name == "xlsx":
        for sheet in ["prompts", "responses", table]:
            run("load", "there", tmp_path / "here.xlsx", "--sheet", sheet)
    else:
        run("load", "there", *(tmp_path / f"{one}.{name}" for one in ["prompts", "responses", table]))
    before, after = contents(project), contents(there)
    assert after["prompts"] == before["prompts"]
    assert after["responses"] == before["responses"]
    assert after["ratings"] == before["ratings"]
    assert len(after["ratings"]) == (9 * 2 + 1) * 2 * 2 + 1


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_a_copy_is_exported_with_the_same_bytes_but_for_where_it_came_from(project, tmp_path, name, capsys):
    run("export", "here", "--out", tmp_path / "1", "--format", name, "--table", "all")
    create_project(slug="there", axes=AXES, points=(0, 1, 2, 3, 4, 5))
    run("load", "there", *(tmp_path / "1" / f"{one}.{name}" for one in ["prompts", "responses", "long"]))
    run("export", "there", "--out", tmp_path / "2", "--format", name, "--table", "all")
    for table in ["prompts", "responses"]:
        assert (tmp_path / "1" / f"{table}.{name}").read_bytes() == (
            tmp_path / "2" / f"{table}.{name}"
        ).read_bytes()


def test_loading_an_export_into_its_own_project_adds_nothing(project, tmp_path, capsys):
    before = contents(project)
    run("export", "here", "--out", tmp_path, "--format", "csv", "--table", "all")
    capsys.readouterr()
    run("load", "here", *(tmp_path / f"{one}.csv" for one in ["prompts", "responses", "long"]), "--json")
    report = json.loads(capsys.readouterr().out)
    assert not any(report["created"].values())
    assert report["conflicts"] == report["errors"] == []
    assert contents(project) == before


def human_eval_lines():
    """As LLM-jp publishes it: two turns or one, NA, 0, lists of different lengths, a model that answers less."""

    def said(text, **evals):
        return {"response": text, "human_evals": {name: evals.get(name, [3, 4, 5]) for name in
                ("detailedness", "factuality", "fluency", "relevance", "overall")}}  # fmt: skip

    return [
        {
            "id": "elyza###0",
            "turns": [
                {
                    "prompt": "=1+1 は？",
                    "responses": {
                        "llm_a": said("甲", fluency=[5, "NA", 1], overall=[1, 2]),
                        "llm_b": said("乙\n- 二行目", relevance=[0, 4, 4]),
                    },
                }
            ],
        },
        {
            "id": "mt###81",
            "turns": [
                {"prompt": "一つ目", "responses": {"llm_a": said("答え"), "llm_b": said("答え")}},
                {"prompt": "二つ目", "responses": {"llm_a": said("続き", detailedness=[2, 2, 2]), "llm_b": said("続き")}},
            ],
        },
        {"id": "vicuna###5", "turns": [{"prompt": "未評価", "responses": {"llm_a": said("x", **{
            name: [] for name in ("detailedness", "factuality", "fluency", "relevance", "overall")})}}]},
    ]  # fmt: skip


@pytest.mark.parametrize("table", ["long", "wide"])
def test_positions_stay_positions_in_our_own_tables_too(tmp_path, table, capsys):
    published = tmp_path / "published.jsonl"
    published.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in human_eval_lines()))
    here, there = (create_project(slug=slug, axes=AXES) for slug in ("here", "there"))
    run("load", "here", published)
    for target in ["first", "second"]:
        run("export", "here", "--out", tmp_path / target, "--format", "csv", "--table", "all")
        files = [tmp_path / target / f"{one}.csv" for one in ["prompts", "responses", table]]
        run("load", "there", *files)
        run("load", "here", *files)  # under their pseudonyms they are the same ones

    assert contents(there, with_batches=False) == contents(here, with_batches=False)
    raters = Assignment.objects.filter(batch__project=there).values_list("rater__pseudonym", "rater__kind")
    assert set(raters) == {("P001", "position"), ("P002", "position"), ("P003", "position")}
    assert here.members.count() == there.members.count() == 3


@pytest.mark.parametrize("names", [{}, {"llm_a": "GPT-4", "llm_b": "CALM3-22B"}])
def test_the_layout_of_llm_jp_comes_back_as_an_equal_project(tmp_path, names, capsys):
    published = tmp_path / "published.jsonl"
    published.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in human_eval_lines()))
    named = []
    if names:
        (tmp_path / "names").write_text(json.dumps(names))
        named = ["--names", tmp_path / "names"]
    here, there = (create_project(slug=slug, axes=AXES) for slug in ("here", "there"))
    run("load", "here", published, *named)
    run("export", "here", "--out", tmp_path / "out", "--format", "llm-human-eval-jp")
    exported = tmp_path / "out" / "llm-human-eval-jp.jsonl"
    run("load", "there", exported, "--names", tmp_path / "out" / "llm-human-eval-jp.names")

    assert contents(there, with_batches=False) == contents(here, with_batches=False)
    assert len(contents(here)["ratings"]) == (2 + 2 + 2) * 3
    lines = [json.loads(line) for line in exported.read_text().splitlines()]
    expected = json.loads(
        json.dumps(human_eval_lines()).replace(" 0, 4, 4", ' "NA", 4, 4').replace("[0, 4", '["NA", 4')
    )
    assert lines == expected


def test_a_study_of_ours_comes_back_from_the_layout_with_positions_in_place_of_people(tmp_path, capsys):
    project = create_project(slug="here", axes=AXES)
    asked = [{"role": "user", "content": "一"}, {"role": "user", "content": "二"}]
    prompt = create_prompt(project, key="elyza###1", source="elyza", turns=asked)
    create_response(project, prompt=prompt, turns=["甲", "乙"])
    batch = create_batch(project)
    raters = [create_member(project) for _ in range(2)]
    for seat in batch.assignments.all():
        rate(seat, raters[seat.seat - 1], dict.fromkeys(AXES, seat.seat + 1) | {"fluency": None})
    run("export", "here", "--out", tmp_path, "--format", "llm-human-eval-jp")
    create_project(slug="there", axes=AXES)
    run(
        "load", "there", tmp_path / "llm-human-eval-jp.jsonl", "--names", tmp_path / "llm-human-eval-jp.names"
    )
    scores = {
        slug: sorted(
            Score.objects.filter(assignment__batch__project__slug=slug).values_list(
                "assignment__item__response__model__name", "assignment__item__turn", "axis__key", "value"
            ),
            key=str,
        )
        for slug in ("here", "there")
    }
    assert scores["there"] == scores["here"]
    there = Assignment.objects.filter(batch__project__slug="there")
    assert set(there.values_list("rater__kind", flat=True)) == {"position"}
