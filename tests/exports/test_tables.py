"""The tables: what a row holds, what stays behind, and that they stream."""

from __future__ import annotations

import pytest
from django.db import connections
from django.utils import timezone, translation

from annotation.agreement import agreement, as_json
from annotation.models import Assignment, Batch
from exports.files import streamed
from exports.selection import Selection
from exports.tables import (
    FIGURES_OF_AN_AXIS,
    TABLES,
    AboutTable,
    AgreementTable,
    AxisTable,
    LongTable,
    PromptTable,
    ResponseTable,
    WideTable,
)
from projects.models import Member, User
from tests.factories import (
    create_batch,
    create_item,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    create_rubric,
    rate,
)

pytestmark = pytest.mark.django_db


def records(table):
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows()]


@pytest.fixture
def project():
    return create_project(axes=("relevance", "fluency"), points=(0, 1, 2, 3, 4, 5))


@pytest.fixture
def rated(project):
    """Two raters at one response: a zero, a "cannot judge", and a comment."""
    prompt = create_prompt(project, key="elyza###0")
    create_item(project, prompt=prompt, model=create_model(project, "swallow"))
    batch = create_batch(project, name="main-1")
    first, second = batch.assignments.order_by("seat")
    rate(first, create_member(project, pseudonym="R001"), {"relevance": 0, "fluency": None})
    Assignment.objects.filter(pk=first.pk).update(comment="=1+1", flagged=True, seconds=12.5)
    rate(second, create_member(project, pseudonym="R002"), {"relevance": 5, "fluency": 3.0})
    return batch


def test_the_long_table_has_a_row_per_score_with_the_columns_that_loading_reads(project, rated):
    table = LongTable(Selection(project))
    first, second, third, fourth = records(table)
    assert list(first)[:5] == ["prompt_id", "model", "rater", "axis", "score"]
    assert first == {
        "prompt_id": "elyza###0",
        "model": "swallow",
        "rater": "R001",
        "axis": "relevance",
        "score": 0,
        "turn": 1,
        "sample": 0,
        "na_reason": None,
        "rated_at": rated.assignments.get(rater__pseudonym="R001").submitted_at,
        "comment": "=1+1",
        "purpose": "main",
        "batch": "main-1",
        "rubric": 1,
        "occasion": 1,
        "seconds": 12.5,
        "flagged": True,
        "origin": "here",
        "rater_kind": "person",
    }
    assert (second["axis"], second["score"], second["na_reason"]) == ("fluency", None, "unsure")
    assert [(row["rater"], row["axis"], row["score"]) for row in (third, fourth)] == [
        ("R002", "relevance", 5),
        ("R002", "fluency", 3),
    ]
    assert table.count() == 4


def test_the_wide_table_keeps_missing_cannot_judge_and_zero_apart(project, rated):
    third = create_batch(project, name="skips", raters_per_item=1)
    rater = create_member(project, pseudonym="R003")
    third.assignments.update(state="open", rater=rater, opened_at=timezone.now(), lease_until=timezone.now())
    third.assignments.update(state="skipped", lease_until=None, skip_reason="in French")
    table = WideTable(Selection(project))
    zero, high, skipped = records(table)
    assert (zero["relevance"], zero["relevance_na_reason"]) == (0, None)
    assert (zero["fluency"], zero["fluency_na_reason"]) == (None, "unsure")
    assert (high["relevance"], high["fluency"]) == (5, 3)
    assert (skipped["state"], skipped["relevance"], skipped["relevance_na_reason"]) == ("skipped", None, None)
    assert skipped["skip_reason"] == "in French"
    assert table.count() == 3


def test_a_withdrawn_or_unfinished_rating_is_in_no_table(project, rated):
    Assignment.objects.filter(rater__pseudonym="R002").update(state="withdrawn")
    for table in (LongTable, WideTable):
        assert {row["rater"] for row in records(table(Selection(project)))} == {"R001"}
    assert LongTable(Selection(project)).count() == 2


def test_one_batch_is_taken_away_by_itself(project, rated):
    other_item = create_item(project)
    other = create_batch(project, items=[other_item], name="other", raters_per_item=1)
    rate(other.assignments.get(), create_member(project), {"relevance": 1, "fluency": 1})
    selection = Selection(project, other)
    assert {row["batch"] for row in records(LongTable(selection))} == {"other"}
    assert LongTable(selection).count() == 2
    assert [row["prompt_id"] for row in records(PromptTable(selection))] == [other_item.prompt.key]
    assert [row["model"] for row in records(ResponseTable(selection))] == [other_item.response.model.name]


def test_another_project_stays_out_of_every_table(project, rated):
    other = create_project()
    create_response(other)
    for name, table in TABLES.items():
        if name != "about":
            assert records(table(Selection(other))) == [] or name in ("prompts", "responses", "agreement")
    assert len(records(PromptTable(Selection(other)))) == 1
    assert {row["n"] for row in records(AgreementTable(Selection(other)))} == {0}


@pytest.mark.parametrize("batch", [None, "named"])
def test_agreement_is_what_the_command_says(project, rated, batch):
    chosen = project.batches.first() if batch else None
    said = as_json(agreement(project=project, batch=chosen))
    table = AgreementTable(Selection(project, chosen))
    assert table.count() == FIGURES_OF_AN_AXIS * len(said["axes"])
    found = {(row["axis"], row["figure"]): row for row in records(table)}
    assert len(found) == table.count()
    for axis in said["axes"]:
        exact, alpha = found[axis["axis"], "exact"], found[axis["axis"], "alpha.ordinal"]
        assert (exact["value"], exact["low"], exact["n"]) == (
            axis["exact"]["value"],
            axis["exact"].get("low"),
            axis["exact"]["n"],
        )
        assert (alpha["value"], alpha["reason"]) == (
            axis["alpha"]["ordinal"]["value"],
            axis["alpha"]["ordinal"].get("reason") or axis["alpha"]["ordinal"].get("no_interval"),
        )
        assert all((row["value"] is None) <= (row["reason"] is not None) for row in found.values())


def test_raters_are_known_by_pseudonym_and_by_nothing_else(project, rated):
    member = Member.objects.get(pseudonym="R001")
    Member.objects.filter(pk=member.pk).update(external_name="secret-external", group="secret-group")
    User.objects.filter(pk=member.user_id).update(
        email="secret@example.invalid", first_name="Secret", username="secret-login"
    )
    for table in TABLES.values():
        assert "secret" not in str(records(table(Selection(project)))).lower()


def test_axes_of_several_rubric_versions_stand_side_by_side_the_newest_first(project, rated):
    create_rubric(project, axes=("fluency", "comment", "style"))
    item = create_item(project)
    batch = create_batch(project, items=[item], raters_per_item=1)
    rate(batch.assignments.get(), create_member(project), {"fluency": 2, "comment": 3, "style": 4})
    rows = records(WideTable(Selection(project)))
    names = [name for name in rows[0] if f"{name}_na_reason" in rows[0]]
    assert names == ["fluency", "axis_comment", "style", "relevance"]
    assert rows[-1]["axis_comment"] == 3
    assert rows[-1]["comment"] == ""
    assert rows[-1]["relevance"] is None
    assert {row["rubric"] for row in rows} == {1, 2}
    assert {row["rubric"] for row in records(AxisTable(Selection(project)))} == {1, 2}


def test_ratings_of_pairs_stay_out_of_the_tables_of_single_responses(project):
    prompt = create_prompt(project)
    one, two = (create_response(project, prompt=prompt) for _ in range(2))
    pair = project.items.create(prompt=prompt, response=one, second_response=two)
    batch = create_batch(project, items=[pair], raters_per_item=1)
    rate(batch.assignments.get(), create_member(project), {"relevance": 1, "fluency": 1})
    assert records(LongTable(Selection(project))) == []
    assert LongTable(Selection(project)).count() == 0


@pytest.mark.parametrize("table", [LongTable, WideTable])
def test_reading_takes_as_many_statements_for_many_ratings_as_for_one(
    project, table, django_assert_num_queries
):
    def more(n):
        batch = create_batch(project, items=[create_item(project) for _ in range(n)], raters_per_item=1)
        rater = create_member(project)
        for seat in batch.assignments.all():
            rate(seat, rater, {"relevance": 1, "fluency": 2})

    more(1)
    with django_assert_num_queries(6 if table is WideTable else 5):
        assert len(list(table(Selection(project)).rows())) in (1, 2)
    more(8)
    with django_assert_num_queries(6 if table is WideTable else 5):
        assert len(list(table(Selection(project)).rows())) in (9, 18)


def test_rows_come_through_a_cursor_of_the_server(project, rated, monkeypatch):
    opened = []
    original = connections["default"].chunked_cursor

    def chunked_cursor():
        opened.append(original())
        return opened[-1]

    monkeypatch.setattr(connections["default"], "chunked_cursor", chunked_cursor)
    assert len(list(LongTable(Selection(project)).rows())) == 4
    assert type(opened[0].cursor).__name__ == "ServerSideCursor"


def test_the_first_row_is_found_without_reading_the_rest(project, rated):
    assert LongTable(Selection(project)).first()[0] == "elyza###0"
    assert LongTable(Selection(create_project())).first() is None


def test_the_about_sheet_explains_every_column_in_the_readers_language(project, rated):
    project.is_simulated = True
    table = AboutTable(Selection(project))
    lines = records(table)
    assert ("", "simulated") in [(line["sheet"], line["name"]) for line in lines]
    for name, other in TABLES.items():
        if name != "about":
            shown = [line["name"] for line in lines if line["sheet"] == name]
            assert shown == [column.name for column in other(Selection(project)).columns]
            assert all(line["meaning"] for line in lines if line["sheet"] == name)
    assert table.count() == len(lines)
    with translation.override("ja"):
        assert records(AboutTable(Selection(project))) != lines


def test_the_same_ratings_make_the_same_file(project, rated):
    def made():
        tables = [
            (name, one(Selection(project)).columns, one(Selection(project)).rows())
            for name, one in TABLES.items()
        ]
        return b"".join(streamed("xlsx", tables))

    assert made() == made()


def test_a_closed_batch_is_taken_away_like_an_open_one(project, rated):
    Batch.objects.update(state="closed", closed_at=timezone.now())
    assert len(records(LongTable(Selection(project)))) == 4


def test_a_selection_holds_what_its_reader_may_see_and_no_more(project, rated):
    researcher = create_member(project, is_researcher=True).user
    rater = rated.assignments.first().rater.user
    for reader, rows in [(researcher, 4), (rater, 0), (create_member(create_project()).user, 0)]:
        selection = Selection(project, seen_by=reader)
        assert len(records(LongTable(selection))) == LongTable(selection).count() == rows
        assert bool(records(PromptTable(selection))) is bool(rows)
        assert bool(records(ResponseTable(selection))) is bool(rows)
