"""The download page and the files it gives."""

from __future__ import annotations

import io
import json
from urllib.parse import urlencode

import openpyxl
import pandas as pd
import pytest
from django.urls import reverse

from tests.factories import (
    create_batch,
    create_item,
    create_member,
    create_project,
    create_user,
    rate,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    project = create_project(slug="study", name="Study")
    create_item(project)
    batch = create_batch(project, name="第1回 / “main”")
    for seat in batch.assignments.all():
        rate(seat, create_member(project), {"relevance": 1, "fluency": None})
    return project


@pytest.fixture
def researcher(project, client):
    member = create_member(project, is_researcher=True)
    client.force_login(member.user)
    return member


def page(**query):
    return f"{reverse('exports:download', args=['study'])}?{urlencode(query)}"


def file(**query):
    return f"{reverse('exports:download_file', args=['study'])}?{urlencode(query)}"


def body(response):
    assert response.status_code == 200
    return b"".join(response.streaming_content)


@pytest.mark.parametrize("role", ["is_coordinator", "is_researcher"])
def test_coordinators_and_researchers_download(client, project, role):
    client.force_login(create_member(project, **{role: True}).user)
    assert client.get(page()).status_code == 200
    assert len(pd.read_csv(io.BytesIO(body(client.get(file()))))) == 4


@pytest.mark.parametrize("address", [page, file])
def test_raters_strangers_and_former_members_are_told_that_there_is_no_such_page(client, project, address):
    former = create_member(project, is_researcher=True, active=False)
    elsewhere = create_member(create_project(), is_coordinator=True)
    rater = project.members.filter(is_rater=True).first()
    for user in (create_user(), rater.user, former.user, elsewhere.user):
        client.force_login(user)
        assert client.get(address()).status_code == 404


def test_somebody_who_is_not_logged_in_is_asked_to(client, project):
    assert client.get(file()).status_code == 302


@pytest.mark.parametrize("address", [page, file])
def test_downloading_is_reading_and_nothing_else(client, researcher, address):
    assert client.post(address()).status_code == 405


@pytest.mark.parametrize(
    ("query", "count", "read"),
    [
        ({"table": "long", "format": "csv"}, 4, pd.read_csv),
        ({"table": "long", "format": "tsv"}, 4, lambda data: pd.read_csv(data, sep="\t")),
        ({"table": "wide", "format": "parquet"}, 2, pd.read_parquet),
        ({"table": "wide", "format": "xlsx"}, 2, pd.read_excel),
        ({"table": "prompts", "format": "jsonl"}, 1, lambda data: pd.read_json(data, lines=True)),
        ({"table": "responses", "format": "csv"}, 1, pd.read_csv),
        ({"table": "axes", "format": "csv"}, 10, pd.read_csv),
        ({"table": "llm-human-eval-jp"}, 1, lambda data: pd.read_json(data, lines=True)),
    ],
)
def test_every_table_comes_in_every_format(client, researcher, query, count, read):
    assert len(read(io.BytesIO(body(client.get(file(**query)))))) == count


def test_everything_comes_in_one_workbook_whatever_format_is_chosen(client, researcher):
    data = body(client.get(file(table="workbook", format="csv", bom="on")))
    book = openpyxl.load_workbook(io.BytesIO(data))
    assert book.sheetnames == [
        "long",
        "wide",
        "prompts",
        "responses",
        "axes",
        "judge_scores",
        "judge_verdicts",
        "agreement",
        "about",
    ]


def test_a_files_name_says_project_batch_table_and_day_and_nothing_harmful(
    client, researcher, project, time_machine
):
    time_machine.move_to("2026-11-22T12:00:00Z")
    response = client.get(file(batch=project.batches.get().pk))
    disposition = response.headers["Content-Disposition"]
    assert disposition.startswith(
        "attachment; filename*=utf-8''study_%E7%AC%AC1%E5%9B%9E-main_long_2026-11-22.csv"
    )
    assert client.get(file(table="wide", format="xlsx")).headers["Content-Disposition"] == (
        'attachment; filename="study_wide_2026-11-22.xlsx"'
    )
    assert "no-store" in response.headers["Cache-Control"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_byte_order_mark_comes_on_request_and_only_where_there_is_one(client, researcher):
    assert body(client.get(file(bom="on"))).startswith(b"\xef\xbb\xbf")
    assert not body(client.get(file())).startswith(b"\xef\xbb\xbf")
    assert json.loads(body(client.get(file(bom="on", format="jsonl"))).splitlines()[0])["axis"] == "relevance"


@pytest.mark.parametrize(
    "query", [{"table": "users"}, {"format": "exe"}, {"batch": "0"}, {"batch": "x"}, {"batch": "9" * 40}]
)
def test_a_choice_that_is_none_comes_back_explained(client, researcher, query):
    for address in (page, file):
        response = client.get(address(**query))
        assert response.status_code == 422
        assert "errorlist" in response.content.decode()


def test_a_batch_of_another_project_is_no_choice(client, researcher):
    other = create_batch(create_project())
    assert client.get(file(batch=other.pk)).status_code == 422


def test_the_page_says_how_many_rows_and_which_columns_before(client, researcher, project):
    shown = client.get(page(table="wide")).content.decode()
    assert "2 rows" in shown
    assert "fluency_na_reason" in shown
    assert "unsure" in shown  # in the first row
    everything = client.get(page(table="workbook")).content.decode()
    assert "4 rows" in everything
    assert "2 rows" in everything
    assert "1 line" in client.get(page(table="llm-human-eval-jp")).content.decode()


def test_htmx_gets_the_contents_alone(client, researcher):
    part = client.get(page(table="wide"), headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith("<section")
    assert "<html" not in part


def test_an_empty_project_has_a_page_and_a_file_with_its_columns(client):
    project = create_project(slug="empty")
    client.force_login(create_member(project, is_coordinator=True).user)
    for table in [
        "long",
        "wide",
        "prompts",
        "responses",
        "axes",
        "agreement",
        "workbook",
        "llm-human-eval-jp",
    ]:
        shown = client.get(reverse("exports:download", args=["empty"]), {"table": table})
        assert shown.status_code == 200
    data = body(client.get(reverse("exports:download_file", args=["empty"])))
    assert data.startswith(b"prompt_id,model,rater,axis,score,")


def test_the_page_takes_few_statements(client, researcher, django_assert_max_num_queries):
    with django_assert_max_num_queries(18):  # and none of them reads ratings
        client.get(page(table="workbook"))


def test_columns_are_explained_in_japanese(client, researcher):
    client.cookies["django_language"] = "ja"
    assert "プロンプト" in client.get(page()).content.decode()
    data = body(client.get(file(table="workbook")))
    about = openpyxl.load_workbook(io.BytesIO(data))["about"]
    assert any("プロンプト" in str(row[2]) for row in about.iter_rows(values_only=True))


def test_a_layout_that_the_project_does_not_go_into_is_explained(client):
    project = create_project(slug="study", points=(0, 1))
    create_item(project)
    create_batch(project)
    client.force_login(create_member(project, is_researcher=True).user)
    for address in (page, file):
        response = client.get(address(table="llm-human-eval-jp"))
        assert response.status_code == 422
        assert "0 means “not rated”" in response.content.decode()
