"""Loading existing ratings: as long and wide tables, on any scale, with raters who have no login."""

import json
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.models import Assignment, Batch, Score
from projects.loading import NotLoaded, Options, load
from projects.loading.packing import packed, unpacked
from projects.models import Member
from tests.factories import (
    create_batch,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    create_rubric,
    rate,
)

pytestmark = pytest.mark.django_db

LONG = "prompt_id,model,rater,axis,score\n"


@pytest.fixture
def project():
    """Two prompts, each answered by m1 and m2; m1 answers p2 in two turns."""
    project = create_project(axes=("relevance", "fluency"))
    models = [create_model(project, name) for name in ("m1", "m2")]
    for key, turns in [("p1", 1), ("p2", 2)]:
        asked = [{"role": "user", "content": f"{key}-{n}"} for n in range(turns)]
        prompt = create_prompt(project, key=key, turns=asked)
        for model in models:
            create_response(project, prompt=prompt, model=model, turns=["A"] * turns)
    return project


def table(folder: Path, text: str, name: str = "ratings.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def jsonl(folder: Path, *rows: dict, name: str = "ratings.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def refusal(project, *files: Path, **options):
    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=files, options=Options(**options))
    assert not Score.objects.filter(assignment__origin="loaded").exists()
    return refused.value.report


def errors(project, *files: Path, **options) -> list[str]:
    return [str(problem) for problem in refusal(project, *files, **options).errors]


def row(**changes) -> dict:
    return {"prompt_id": "p1", "model": "m1", "rater": "ann", "axis": "fluency", "score": 4, **changes}


def seats(project) -> list[tuple]:
    return [
        (
            a.item.prompt.key,
            a.item.response.model.name,
            a.item.turn,
            a.rater.external_name,
            a.seat,
            a.purpose,
            a.codes,
        )
        for a in Assignment.objects.filter(batch__project=project).order_by("item", "seat", "id")
    ]


# What is loaded


def test_scores_become_submitted_seats_of_a_closed_batch(project, tmp_path):
    text = LONG + "p1,m1,ann,relevance,4\np1,m1,ann,fluency,5\np1,m1,bob,relevance,2\np2,m2,bob,fluency,1\n"
    report = load(project=project, files=[table(tmp_path, text)])

    batch = Batch.objects.get()
    assert {name: n for name, n in report.created.items() if n} == {"ratings": 4, "raters": 2}
    assert seats(project) == [
        ("p1", "m1", 1, "ann", 1, "main", [4, 5]),
        ("p1", "m1", 1, "bob", 2, "main", [2, 0]),
        ("p2", "m2", 1, "bob", 1, "main", [0, 1]),
    ]
    assert (batch.name, batch.filling, batch.state, batch.raters_per_item) == (
        "ratings",
        "loaded",
        "closed",
        2,
    )
    assert set(Assignment.objects.values_list("state", "origin", "submitted_at")) == {
        ("submitted", "loaded", None)
    }


def test_raters_become_members_without_a_login_under_pseudonyms(project, tmp_path):
    create_member(project)
    load(project=project, files=[table(tmp_path, LONG + "p1,m1,佐藤,fluency,1\np1,m1,7,fluency,2\n")])

    assert list(
        Member.objects.filter(user=None).values_list("pseudonym", "external_name", "kind", "is_rater")
    ) == [
        ("R002", "佐藤", "person", True),
        ("R003", "7", "person", True),
    ]
    project.refresh_from_db()
    assert project.people_so_far == 3


def test_loading_again_adds_nothing(project, tmp_path):
    path = table(tmp_path, LONG + "p1,m1,ann,relevance,4\np1,m1,ann,fluency,\n")
    load(project=project, files=[path])
    report = load(project=project, files=[path])

    assert report.adds_nothing
    assert report.unchanged["ratings"] == 2
    assert report.unchanged["raters"] == 1
    assert (Assignment.objects.count(), Score.objects.count(), Batch.objects.count()) == (1, 2, 1)


def test_missing_and_cannot_judge_and_zero_stay_three_things(tmp_path):
    project = create_project(axes=("a", "b", "c"), points=(0, 1, 2))
    create_response(project, prompt=create_prompt(project, key="p1"), model=create_model(project, "m1"))
    load(project=project, files=[table(tmp_path, LONG + "p1,m1,ann,a,0\np1,m1,ann,b,\n")])

    assert list(Score.objects.order_by("axis").values_list("axis__key", "value", "na_reason")) == [
        ("a", 0, None),
        ("b", None, "unspecified"),
    ]
    assert Assignment.objects.get().codes == [1, -1, 0]


def test_what_stands_for_cannot_judge_can_be_said(project, tmp_path):
    text = LONG + "p1,m1,ann,relevance,NA\np1,m1,ann,fluency,0\np1,m1,bob,fluency,0.0\np2,m1,bob,fluency,-\n"
    load(project=project, files=[table(tmp_path, text)], options=Options(na_values=("NA", "0", "-")))

    assert set(Score.objects.values_list("value", "na_reason")) == {(None, "unspecified")}
    assert Score.objects.count() == 4


def test_a_reason_for_not_judging_is_kept(project, tmp_path):
    path = jsonl(
        tmp_path, row(score=None, na_reason="no_knowledge"), row(axis="relevance", score="", rater="bob")
    )
    load(project=project, files=[path])

    assert sorted(Score.objects.values_list("na_reason", flat=True)) == ["no_knowledge", "unspecified"]


def test_cannot_judge_where_nobody_may_say_so_is_taken_over_with_a_warning(tmp_path):
    project = create_project(axes=("fluency",), allow_na=False)
    create_response(project, prompt=create_prompt(project, key="p1"), model=create_model(project, "m1"))
    report = load(project=project, files=[jsonl(tmp_path, row(score=None))])

    assert [str(warning) for warning in report.warnings] == [
        "ratings.jsonl, line 1, score: On “fluency” nobody may say “cannot judge” here; it was taken over all the same."
    ]


def test_everything_that_a_row_says_is_kept(project, tmp_path):
    said = {
        "turn": 2, "prompt_id": "p2", "rated_at": "2024-03-01T10:00:00+09:00", "comment": "よい", "purpose": "calibration",
        "seconds": 12.5, "flagged": True, "batch": "第1回",
    }  # fmt: skip
    load(project=project, files=[jsonl(tmp_path, row(**said), row(**said, axis="relevance"))])

    seat = Assignment.objects.get()
    assert seat.submitted_at.isoformat() == "2024-03-01T01:00:00+00:00"
    assert (seat.item.turn, seat.comment, seat.purpose, seat.seconds, seat.flagged) == (
        2,
        "よい",
        "calibration",
        12.5,
        True,
    )
    assert seat.batch.name == "第1回"


def test_comments_on_several_axes_of_one_rating_are_joined(project, tmp_path):
    load(project=project, files=[jsonl(tmp_path, row(comment="a"), row(axis="relevance", comment="b"))])

    assert Assignment.objects.get().comment == "a\nb"


def test_a_surplus_rating_holds_no_seat(project, tmp_path):
    load(
        project=project, files=[jsonl(tmp_path, row(), row(rater="bob", purpose="surplus"), row(rater="cat"))]
    )

    assert [(rater, seat, purpose) for _, _, _, rater, seat, purpose, _ in seats(project)] == [
        ("ann", 1, "main"),
        ("cat", 2, "main"),
        ("bob", None, "surplus"),
    ]


@pytest.mark.parametrize("points", [(1, 2, 3, 4), (0, 0.5, 1), (-2, -1, 0, 1, 2), tuple(range(101))])
def test_any_numeric_scale_of_the_rubric_is_taken(tmp_path, points):
    project = create_project(axes=("fluency",), points=points)
    create_response(project, prompt=create_prompt(project, key="p1"), model=create_model(project, "m1"))
    load(
        project=project,
        files=[jsonl(tmp_path, *[row(rater=f"r{n}", score=point) for n, point in enumerate(points)])],
    )

    assert sorted(Score.objects.values_list("value", flat=True)) == sorted(points)


@pytest.mark.parametrize("name", ["fluency", "Fluency", "fluency（日本語）", "FLUENCY"])
def test_an_axis_may_be_named_by_key_or_label(project, tmp_path, name):
    load(project=project, files=[jsonl(tmp_path, row(axis=name))])

    assert Score.objects.get().axis.key == "fluency"


def test_an_axis_may_have_the_name_that_the_published_layout_gives_it(tmp_path):
    project = create_project(axes=("accuracy", "detail"))
    create_response(project, prompt=create_prompt(project, key="p1"), model=create_model(project, "m1"))
    load(project=project, files=[jsonl(tmp_path, row(axis="factuality"), row(axis="detailedness"))])

    assert sorted(Score.objects.values_list("axis__key", flat=True)) == ["accuracy", "detail"]


@pytest.mark.parametrize("kind", ["csv", "tsv", "xlsx", "jsonl", "parquet"])
def test_ratings_are_loaded_from_each_kind_of_file(project, tmp_path, kind):
    rows = [row(), row(rater="bob", score=None)]
    path = tmp_path / f"ratings.{kind}"
    if kind == "jsonl":
        jsonl(tmp_path, *rows)
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "xlsx":
        book = openpyxl.Workbook()
        for cells in [list(rows[0]), *[list(one.values()) for one in rows]]:
            book.active.append(cells)
        book.save(path)
    else:
        separator = "," if kind == "csv" else "\t"
        lines = [list(rows[0]), *[["" if v is None else str(v) for v in one.values()] for one in rows]]
        path.write_text("\n".join(separator.join(line) for line in lines))
    load(project=project, files=[path])

    assert sorted(Score.objects.values_list("value", "na_reason"), key=str) == [
        (4, None),
        (None, "unspecified"),
    ]


def test_prompts_responses_and_ratings_may_come_together(tmp_path):
    project = create_project(axes=("fluency",))
    text = "prompt_id,prompt,model,response,rater,axis,score\np9,Q?,m9,A,ann,fluency,3\np9,Q?,m9,A,bob,fluency,2\n"
    report = load(project=project, files=[table(tmp_path, text)])

    assert {name: n for name, n in report.created.items() if n} == {
        "prompts": 1, "models": 1, "responses": 1, "raters": 2, "ratings": 2,
    }  # fmt: skip


# A column per axis

WIDE = "prompt_id,model,rater,Relevance,fluency（日本語）\n"


def test_a_column_per_axis_is_taken_by_its_name(project, tmp_path):
    load(project=project, files=[table(tmp_path, WIDE + "p1,m1,ann,4,5\np1,m2,ann,,3\n")])

    assert [(model, codes) for _, model, *_, codes in seats(project)] == [("m1", [4, 5]), ("m2", [0, 3])]


def test_a_column_per_axis_can_be_said(project, tmp_path):
    path = table(tmp_path, "番号,モデル,評価者,自然さ\np1,m1,ann,2\n")
    columns = {"prompt_id": "番号", "model": "モデル", "rater": "評価者", "score.fluency": "自然さ"}
    load(project=project, files=[path], options=Options(columns=columns))

    assert Assignment.objects.get().codes == [0, 2]


def test_an_error_names_the_column_as_the_file_has_it(project, tmp_path):
    path = table(tmp_path, "番号,モデル,評価者,観点,点\np1,m1,ann,文体,4\np1,m1,ann,fluency,9\n")
    columns = {"prompt_id": "番号", "model": "モデル", "rater": "評価者", "axis": "観点", "score": "点"}

    assert errors(project, path, columns=columns) == [
        "ratings.csv, line 2, 観点: The rubric has no axis “文体”; it has: relevance, fluency.",
        "ratings.csv, line 3, 点: 9 is not on the scale of “fluency”: 1, 2, 3, 4, 5.",
    ]


def test_in_a_column_per_axis_an_empty_cell_is_missing_unless_a_reason_stands_beside_it(project, tmp_path):
    text = "prompt_id,model,rater,relevance,relevance_na_reason,fluency,fluency_na_reason\np1,m1,ann,,unsure,,\np1,m2,ann,3,,NA,\n"
    load(project=project, files=[table(tmp_path, text)], options=Options(na_values=("NA",)))

    assert [(model, codes) for _, model, *_, codes in seats(project)] == [("m1", [-1, 0]), ("m2", [3, -1])]


def test_an_error_in_a_column_per_axis_names_the_column(project, tmp_path):
    assert errors(project, table(tmp_path, WIDE + "p1,m1,ann,4,9\n")) == [
        "ratings.csv, line 2, fluency（日本語）: 9 is not on the scale of “fluency”: 1, 2, 3, 4, 5."
    ]


# The same rater again


def test_the_same_rater_twice_is_an_error_that_names_both_rows(project, tmp_path):
    path = table(tmp_path, LONG + "p1,m1,ann,fluency,4\np1,m1,bob,fluency,4\np1,m1,ann,fluency,5\n")

    assert errors(project, path) == [
        "ratings.csv, line 4, score: “ann” rates this item on “fluency” here and in ratings.csv, line 2. "
        "If the later one is a repeat, say so (--repeats); otherwise remove one of them."
    ]


def test_in_a_workbook_both_cells_are_named(project, tmp_path):
    book = openpyxl.Workbook()
    for cells in [list(row()), list(row().values()), list(row(score=5).values())]:
        book.active.append(cells)
    book.save(tmp_path / "ratings.xlsx")

    assert errors(project, tmp_path / "ratings.xlsx")[0].startswith(
        "ratings.xlsx, Sheet!E3, score: “ann” rates this item on “fluency” here and in ratings.xlsx, Sheet!E2."
    )


def test_later_scores_are_repeats_when_that_is_said(project, tmp_path):
    path = table(tmp_path, LONG + "p1,m1,ann,fluency,4\np1,m1,ann,relevance,1\np1,m1,ann,fluency,5\n")
    options = Options(repeats=True)
    load(project=project, files=[path], options=options)

    assert list(Assignment.objects.order_by("occasion").values_list("occasion", "purpose", "codes")) == [
        (1, "main", [1, 4]),
        (2, "repeat", [0, 5]),
    ]
    assert load(project=project, files=[path], options=options).adds_nothing


def test_rows_of_a_column_per_axis_are_sittings(project, tmp_path):
    """The second row is the second occasion on every axis, also where the first lacks a score."""
    path = table(tmp_path, WIDE + "p1,m1,ann,,5\np1,m1,ann,2,3\n")
    load(project=project, files=[path], options=Options(repeats=True))

    assert list(Assignment.objects.order_by("occasion").values_list("occasion", "codes")) == [
        (1, [0, 5]),
        (2, [2, 3]),
    ]


def test_occasions_that_the_file_numbers_are_believed(project, tmp_path):
    load(project=project, files=[jsonl(tmp_path, row(occasion=2, score=5), row(occasion=1))])

    assert list(Assignment.objects.order_by("occasion").values_list("occasion", "purpose", "codes")) == [
        (1, "main", [0, 4]),
        (2, "repeat", [0, 5]),
    ]


# Known already


def test_another_score_than_the_known_one_is_a_conflict_that_shows_both(project, tmp_path):
    load(project=project, files=[jsonl(tmp_path, row(), row(axis="relevance", score=None))])
    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=[jsonl(tmp_path, row(score=5), row(axis="relevance", score=3))])

    assert [str(conflict) for conflict in refused.value.report.conflicts] == [
        "ratings.jsonl, line 1, score: The score of “ann” on “fluency” is known with another value. "
        "Known: “4”. In the file: “5”.",
        "ratings.jsonl, line 2, score: The score of “ann” on “relevance” is known with another value. "
        "Known: “cannot judge (unspecified)”. In the file: “3”.",
    ]


def test_another_axis_of_a_loaded_rating_is_added_to_it(project, tmp_path):
    load(project=project, files=[jsonl(tmp_path, row())])
    load(project=project, files=[jsonl(tmp_path, row(axis="relevance", score=1))])

    assert Assignment.objects.get().codes == [1, 4]


def test_another_rater_joins_the_loaded_batch(project, tmp_path):
    load(project=project, files=[jsonl(tmp_path, row())])
    load(project=project, files=[jsonl(tmp_path, row(rater="bob"))])

    assert [(rater, seat) for _, _, _, rater, seat, _, _ in seats(project)] == [("ann", 1), ("bob", 2)]
    assert Batch.objects.count() == 1


def test_a_batch_that_was_not_loaded_is_left_alone(project, tmp_path):
    create_batch(project, name="ratings", items=[])
    load(project=project, files=[jsonl(tmp_path, row())])

    assert Assignment.objects.get().batch.name == "ratings (2)"


def test_the_batch_can_be_named(project, tmp_path):
    load(project=project, files=[jsonl(tmp_path, row())], options=Options(batch="First round"))

    assert Batch.objects.get().name == "First round"


def test_a_name_too_long_for_a_batch_is_refused(project, tmp_path):
    assert errors(project, jsonl(tmp_path, row()), batch="x" * 121) == [
        "batch: This is longer than 120 characters."
    ]


def test_ratings_under_an_older_rubric_are_known_by_the_axis(project, tmp_path):
    path = jsonl(tmp_path, row())
    load(project=project, files=[path])
    create_rubric(project, axes=("fluency", "accuracy"))

    assert load(project=project, files=[path]).adds_nothing


def test_a_pseudonym_of_the_project_stands_for_its_member(project, tmp_path):
    member = create_member(project)
    report = load(project=project, files=[jsonl(tmp_path, row(rater=member.pseudonym))])

    assert Assignment.objects.get().rater == member
    assert [str(warning) for warning in report.warnings] == [
        "ratings.jsonl, line 1, rater: “R001” was taken for the member of the project with this pseudonym."
    ]


def test_pseudonyms_of_another_project_stay_the_same_in_an_empty_one(project, tmp_path):
    load(project=project, files=[jsonl(tmp_path, row(rater="R007"), row(rater="ann"), row(rater="R003"))])

    assert sorted(Member.objects.values_list("external_name", "pseudonym")) == [
        ("R003", "R003"),
        ("R007", "R007"),
        ("ann", "R008"),
    ]


def test_raters_may_be_said_to_be_positions(project, tmp_path):
    rows = [row(rater=name, rater_kind="position") for name in ("1", "first", "12")]
    load(project=project, files=[jsonl(tmp_path, *rows)])

    assert list(Member.objects.order_by("id").values_list("pseudonym", "kind", "external_name")) == [
        ("P001", "position", "position 1"),
        ("P002", "position", "position first"),
        ("P012", "position", "position 12"),
    ]


def test_a_person_is_not_called_like_a_position(project, tmp_path):
    rows = [row(rater="1", rater_kind="position"), row(rater="position 1", axis="relevance")]

    assert (
        "“position 1” is the name of somebody else in this project."
        in errors(project, jsonl(tmp_path, *rows))[0]
    )


def test_a_member_who_is_no_rater_is_refused(project, tmp_path):
    member = create_member(project, is_coordinator=True)

    assert (
        "“R001” is no rater in this project."
        in errors(project, jsonl(tmp_path, row(rater=member.pseudonym)))[0]
    )


def test_an_item_that_the_rater_has_open_here_is_a_conflict(project, tmp_path):
    item = project.items.get(prompt__key="p1", response__model__name="m1")
    member = create_member(project)
    batch = create_batch(project, items=[item], name="live")
    Assignment.objects.filter(batch=batch, seat=1).update(state="planned", rater=member)
    report = refusal(project, jsonl(tmp_path, row(rater=member.pseudonym)))

    assert [str(conflict) for conflict in report.conflicts] == [
        "ratings.jsonl, line 1, rater: “R001” has this item in the batch “live” already (planned)."
    ]


def test_a_rating_made_here_is_known_from_its_download(project, tmp_path):
    item = project.items.get(prompt__key="p1", response__model__name="m1")
    member = create_member(project)
    batch = create_batch(project, items=[item])
    rate(batch.assignments.first(), member, {"fluency": 4, "relevance": None})
    rows = [row(rater=member.pseudonym), row(rater=member.pseudonym, axis="relevance", score=None)]

    assert load(project=project, files=[jsonl(tmp_path, *rows)]).adds_nothing


# What is wrong with a row


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"prompt_id": "p9"}, "prompt_id: There is no prompt “p9”."),
        ({"prompt_id": ""}, "prompt_id: This is empty."),
        ({"model": "m9"}, "model: There is no model “m9”."),
        ({"sample": 1}, "model: There is no response of “m1” to “p1”, sample 1."),
        ({"turn": 2}, "turn: The response of “m1” to “p1” has no turn 2."),
        ({"turn": 0}, "turn: “0” is not a whole number from 1 to 1000."),
        ({"turn": "x"}, "turn: “x” is not a number."),
        ({"rater": None}, "rater: This is empty."),
        ({"rater": "x" * 201}, "rater: This is longer than 200 characters."),
        ({"axis": "style"}, "axis: The rubric has no axis “style”; it has: relevance, fluency."),
        ({"axis": None}, "axis: This is empty."),
        ({"score": 6}, "score: 6 is not on the scale of “fluency”: 1, 2, 3, 4, 5."),
        ({"score": 3.5}, "score: 3.5 is not on the scale of “fluency”: 1, 2, 3, 4, 5."),
        ({"score": "良い"}, "score: “良い” is not a number. If it stands for “cannot judge”, say so (--na-value)."),
        ({"score": "3,5"}, "score: “3,5” is not a number. Write the decimal point as a point: 3.5."),
        ({"score": [4]}, "score: Here should be text; it is a list."),
        ({"na_reason": "unsure"}, "na_reason: Here are both a score and a reason for having none."),
        ({"score": None, "na_reason": "tired"}, "na_reason: “tired” is none of: not_applicable, no_knowledge, unreadable, unsure, unspecified."),
        ({"rated_at": "yesterday"}, "rated_at: “yesterday” is not a date with a time. Write it like 2024-03-01T10:00:00+09:00."),
        ({"purpose": "fun"}, "purpose: “fun” is none of: training, calibration, main, extra, repeat, gold, surplus."),
        ({"occasion": 2, "purpose": "main"}, "purpose: Rating an item again has the purpose “repeat”."),
        ({"seconds": -1}, "seconds: This is less than 0."),
        ({"rater_kind": "robot"}, "rater_kind: “robot” is none of: person, position, simulated."),
        ({"flagged": "perhaps"}, "flagged: Here should be true or false."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_row_is_said_with_its_place_and_field(project, tmp_path, changes, sentence):
    (said,) = errors(project, jsonl(tmp_path, row(rater="bob"), row(**changes)))

    assert said.startswith(f"ratings.jsonl, line 2, {sentence}")


def test_one_rating_with_two_purposes_is_an_error(project, tmp_path):
    assert errors(project, jsonl(tmp_path, row(purpose="main"), row(axis="relevance", purpose="gold"))) == [
        "ratings.jsonl, line 1, purpose: “ann” rates this item with two purposes: gold and main."
    ]


def test_long_scales_are_shown_shortened(tmp_path):
    project = create_project(axes=("fluency",), points=tuple(range(101)))
    create_response(project, prompt=create_prompt(project, key="p1"), model=create_model(project, "m1"))

    assert errors(project, jsonl(tmp_path, row(score=200)))[0].endswith(
        "on the scale of “fluency”: 0, 1, 2, …, 100."
    )


def test_without_a_rubric_there_is_nothing_to_score(tmp_path):
    project = create_project()
    project.current_rubric().axes.all().delete()
    project.current_rubric().delete()
    create_response(project, prompt=create_prompt(project, key="p1"), model=create_model(project, "m1"))

    assert errors(project, jsonl(tmp_path, row())) == [
        "ratings.jsonl, line 1, axis: The project has no rubric yet: say first what is asked of raters."
    ]


def test_unknown_columns_of_ratings_are_named_as_left_out(project, tmp_path):
    report = load(project=project, files=[jsonl(tmp_path, row(mood="fine"))])

    assert [str(warning) for warning in report.warnings] == [
        "ratings.jsonl: Columns that are not known here were left out: mood."
    ]


def test_no_rating_is_left_behind_when_one_is_refused(project, tmp_path):
    report = refusal(project, jsonl(tmp_path, *[row(rater=f"r{n}", score=n) for n in range(1, 40)]))

    assert (len(report.errors), report.n_errors) == (20, 34)
    assert not Member.objects.exists()
    assert not Batch.objects.exists()


def test_a_misspelt_axis_and_a_missing_prompt_are_told_once_each(project, tmp_path):
    rows = "".join(f"p1,m{1 + n % 2},r{n // 2},relevence,3\n" for n in range(600))
    rows += "".join(f"q1,m1,s{n},fluency,3\nq2,m1,s{n},fluency,3\n" for n in range(12))
    report = refusal(project, table(tmp_path, LONG + rows))
    assert [str(error) for error in report.errors] == [
        "ratings.csv, line 2, axis: The rubric has no axis “relevence”; it has: relevance, fluency."
        " (600 times; next in line 3, 4, 5, 6, …)",
    ]
    assert (report.n_errors, report.more_errors) == (600, 0)

    report = refusal(project, table(tmp_path, LONG + rows.replace("relevence", "relevance")))
    assert [(error.place.line, error.times) for error in report.errors] == [(602, 12), (603, 12)]
    assert report.more_errors == 0
    assert "There is no prompt “q2”" in str(report.errors[1])
    kept = unpacked(json.loads(json.dumps(packed(report))))
    assert kept.errors == report.errors
