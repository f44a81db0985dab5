"""What the columns of a table hold, before anything of it is used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from projects.tables.cells import BadCell, as_number, as_text, is_empty
from projects.tables.messages import quoted
from projects.tables.problems import Problems
from projects.tables.rows import Row, Table

MOST_VALUES = 101  # a slider from 0 to 100
FIRST_ROWS = 5


@dataclass
class Column:
    """One column: how many cells are filled, and how often each value occurs, as long as there are few."""

    name: str
    filled: int = 0
    empty: int = 0
    numbers: int = 0
    longest: int = 0
    #: None once there are too many to be a scale.
    values: Counter[str] | None = field(default_factory=Counter)

    def add(self, value: Any) -> None:
        if is_empty(value):
            self.empty += 1
            return
        self.filled += 1
        try:
            as_number(value)
        except BadCell:
            pass
        else:
            self.numbers += 1
        shown = _shown(value)
        self.longest = max(self.longest, len(shown))
        if self.values is not None:
            self.values[quoted(shown)] += 1
            if len(self.values) > MOST_VALUES:
                self.values = None

    @property
    def looks_like_scores(self) -> bool:
        """Few different values, most of them numbers."""
        return self.values is not None and self.numbers * 2 > self.filled

    @property
    def distribution(self) -> list[tuple[str, int]]:
        """Each value and how often it occurs: numbers in their order, then the rest."""
        return sorted((self.values or Counter()).items(), key=lambda pair: _order(pair[0]))


@dataclass
class Profile:
    """The whole table at a glance."""

    columns: list[Column]
    first_rows: list[Row]
    n_rows: int
    problems: Problems
    is_whole: bool = True


def profile(table: Table, *, first: int = FIRST_ROWS, most_rows: int | None = None) -> Profile:
    """Reads the table once through, or its first `most_rows` rows; raises Refused where it cannot be read."""
    columns: dict[str, Column] = {name: Column(name) for name in table.columns}
    found = Profile([], [], 0, Problems())
    for row in table.rows(found.problems):
        found.n_rows += 1
        if len(found.first_rows) < first:
            found.first_rows.append(row)
        for name, value in row.values.items():
            if name not in columns:
                # Met for the first time in this row: every row before it had none.
                columns[name] = Column(name, empty=found.n_rows - 1)
            columns[name].add(value)
        if len(row.values) < len(columns):
            for name in columns.keys() - row.values.keys():
                columns[name].empty += 1
        if found.n_rows == most_rows:
            found.is_whole = False  # as far as anybody looked
            break
    found.columns = list(columns.values())
    return found


def _shown(value: Any) -> str:
    try:
        return as_text(value)
    except BadCell:
        return repr(value)


def _order(shown: str) -> tuple[bool, float, str]:
    try:
        return (False, as_number(shown), "")
    except BadCell:
        return (True, 0.0, shown)
