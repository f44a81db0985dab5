"""Rows as the server takes them in."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import connection, transaction
from psycopg.errors import DataError

from projects.loading.copying import Copying, Rows

pytestmark = pytest.mark.django_db

COLUMNS = {
    "a": "text", "b": "jsonb", "c": "boolean", "d": "smallint", "e": "integer", "f": "bigint", "g": "double precision",
    "h": "timestamptz", "i": "text[]", "j": "varchar[]", "k": "smallint[]", "l": "integer[]",
}  # fmt: skip


@pytest.fixture
def rows():
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMPORARY TABLE taken ({', '.join(' '.join(one) for one in COLUMNS.items())}) ON COMMIT DROP"
        )
    return Rows("taken", COLUMNS)


def taken():
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM taken")
        return cursor.fetchall()


def test_values_of_each_kind_arrive_as_they_are(rows):
    tokyo = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=9)))
    first = (
        "改行\n\\タブ\t'\"", '{"鍵": [1, "\\n"]}', True, -3, 2**31 - 1, -(2**63), 0.1, tokyo,
        ["一", "", "N{,}\\"], ["x"], [1, 2], [-1],
    )  # fmt: skip
    second = ("", "[]", False, 0, 0, 0, 3, datetime(1999, 12, 31, tzinfo=UTC), [], [], [], [])
    with Copying().until_done() as copying:
        for row in (first, second, (None,) * len(COLUMNS)):
            rows.add(row)
        copying.send(rows)
        found = taken()  # waits for what is on its way

    assert found[0] == (*first[:1], '{"鍵": [1, "\\n"]}', *first[2:])
    assert found[1] == second
    assert found[2] == (None,) * len(COLUMNS)
    assert rows.size == 0


def test_rows_of_two_tables_may_alternate(rows):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE others (n integer) ON COMMIT DROP")
    others = Rows("others", {"n": "integer"})
    with Copying().until_done() as copying:
        for n in range(5):
            rows.add((str(n), *[None] * (len(COLUMNS) - 1)))
            copying.send(rows)
            others.add((n,))
            copying.send(others)
    assert [row[0] for row in taken()] == list("01234")


def add_and_fail(rows):
    with Copying().until_done() as copying:
        rows.add(("gone", *[None] * (len(COLUMNS) - 1)))
        copying.send(rows)
        raise ZeroDivisionError


def test_what_goes_wrong_meanwhile_leaves_the_connection_usable(rows):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        add_and_fail(rows)
    assert taken() == []


def add(rows, text):
    with Copying().until_done() as copying:
        rows.add((text, *[None] * (len(COLUMNS) - 1)))
        copying.send(rows)


def test_what_no_database_holds_is_refused_by_the_server(rows):
    with pytest.raises(DataError, match="0x00"):
        add(rows, "\x00")
