"""A file is one moment of the database, however long it takes, and lets go of it when nobody reads on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.urls import reverse

from exports.selection import Selection, one_snapshot
from exports.tables import LongTable, ResponseTable, WideTable
from tests.factories import create_batch, create_item, create_member, create_project, rate

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
@transaction.atomic
def project():
    project = create_project(slug="study")
    for _ in range(3):
        rated(project)
    return project


def rated(project):
    batch = create_batch(project, items=[create_item(project)], raters_per_item=1)
    rate(batch.assignments.get(), create_member(project), {"relevance": 1, "fluency": 2})


def elsewhere(work, *arguments):
    """Do something over another connection, and commit it."""

    def on_another_connection():
        try:
            with transaction.atomic():
                work(*arguments)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(on_another_connection).result()


def test_what_is_rated_while_a_file_is_written_is_in_none_of_its_tables(project):
    selection = Selection(project)
    with one_snapshot():
        long = LongTable(selection).rows()
        first = next(long)
        elsewhere(rated, project)
        assert len([first, *long]) == 6
        assert len(list(WideTable(selection).rows())) == 3
        assert ResponseTable(selection).count() == 3
    assert len(list(WideTable(selection).rows())) == 4


def test_a_file_is_written_without_writing_to_the_database(project):
    with pytest.raises(Exception, match="read-only"), one_snapshot():
        create_project()


@pytest.mark.parametrize(
    "query", ["format=csv", "table=workbook", "format=parquet", "table=llm-human-eval-jp"]
)
def test_a_download_that_is_broken_off_holds_nothing_in_the_database(client, project, query):
    client.force_login(create_member(project, is_researcher=True).user)
    response = client.get(f"{reverse('exports:download_file', args=['study'])}?{query}")
    pieces = iter(response.streaming_content)
    next(pieces)
    response.close()
    del pieces
    assert not connection.in_atomic_block
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in trans%'"
        )
        assert cursor.fetchone() == (0,)
