"""Files of rows: CSV, TSV, XLSX, JSON lines, JSON and Parquet through one interface.

    table = open_table(Path("ratings.csv"))
    problems = Problems()
    for row in table.rows(problems):
        row.values["score"], row.place("score")

Rows come one by one and know where they stand; what is wrong with them goes to `problems`, and what makes the whole
file unreadable raises Refused. Nothing in here knows of Django or of the database.
"""

from projects.tables.cells import (
    BadCell,
    as_id,
    as_integer,
    as_list,
    as_moment,
    as_number,
    as_object,
    as_text,
    is_empty,
    may_be_rounded,
    wrecked,
)
from projects.tables.messages import Message, listed, quoted, say, untranslated
from projects.tables.opening import open_table
from projects.tables.problems import Place, Problem, Problems, Refused
from projects.tables.profile import Column, Profile, profile
from projects.tables.rows import Row, Table

__all__ = [
    "BadCell",
    "Column",
    "Message",
    "Place",
    "Problem",
    "Problems",
    "Profile",
    "Refused",
    "Row",
    "Table",
    "as_id",
    "as_integer",
    "as_list",
    "as_moment",
    "as_number",
    "as_object",
    "as_text",
    "is_empty",
    "listed",
    "may_be_rounded",
    "open_table",
    "profile",
    "quoted",
    "say",
    "untranslated",
    "wrecked",
]
