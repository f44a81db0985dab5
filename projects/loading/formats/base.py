"""What a layout has to say about itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from projects.loading.fields import Columns
from projects.loading.records import Record
from projects.tables import Problem, Row, Table, listed, say
from projects.tables.messages import _

if TYPE_CHECKING:
    from projects.loading.loading import Loading

#: How long names may be, as the models have it.
LONGEST_KEY = 300
LONGEST_MODEL = 300
LONGEST_WORD = 200
MOST_SAMPLES = 1_000_000
MOST_TURNS = 1000
ROLES = ("user", "assistant", "system")


class Format(ABC):
    """Reads one table. Rows that cannot be taken raise BadRow."""

    name: ClassVar[str]
    #: One line for people, translated when shown.
    about: ClassVar[str]
    #: What a fixed layout calls the fields that errors speak of.
    called: ClassVar[Mapping[str, str]] = {}
    #: Files are read in this order: what others are understood by comes first.
    rank: ClassVar[int] = 10
    #: Whether a file that looks like this is no other, whatever else it looks like.
    certain: ClassVar[bool] = False
    #: Whether the options “model”, “judge” and “axis”, or “partial”, may matter to it.
    asks_more: ClassVar[bool] = False
    #: Whether its names of models can be mapped to others.
    names_vary: ClassVar[bool] = False

    def __init__(self, loading: Loading, table: Table) -> None:
        self.loading = loading
        self.table = table

    @classmethod
    @abstractmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        """Whether the first rows of a table look like this layout."""

    @classmethod
    def fields(cls, loading: Loading) -> Sequence[str]:
        """Fields that a column can be said to hold; none where the layout is fixed."""
        return ()

    @classmethod
    def columns_of(cls, table: Table, loading: Loading) -> Columns:
        """Which column holds which field."""
        return Columns([*table.columns, *cls.called.values()], cls.called, frozenset(table.columns))

    def rows(self) -> Iterator[Row]:
        """The rows of the table."""
        return self.table.rows(self.loading.problems)

    @abstractmethod
    def records(self, row: Row) -> Iterator[Record]:
        """Everything that the row holds."""

    @abstractmethod
    def finish(self) -> None:
        """Tell what was noticed along the way."""

    def warn(self, text: str, *, row: Row | None = None, **values: Any) -> None:
        place = row.place() if row else self.table.place(None)
        self.loading.problems.warn(Problem(say(text, **values), place), key=(text, str(place)))

    def tell_unknown(self, names: Iterable[str], *, kept: bool) -> None:
        if not (names := list(names)):
            return
        text = (
            _("Fields that are not known here were kept under metadata: %(names)s.")
            if kept
            else _("Columns that are not known here were left out: %(names)s.")
        )
        self.loading.problems.warn(
            Problem(say(text, names=listed(names, most=30)), self.table.place(None)),
            key=("unknown", self.table.name, text),
        )


def rest_of(values: dict[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """What a row says beyond the fields that are known."""
    known = set(known)
    return {name: value for name, value in values.items() if name not in known and value not in (None, "")}
