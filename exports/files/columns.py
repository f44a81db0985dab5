"""What a column holds, and its value as text."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    TEXT = "text"
    CATEGORY = "category"  # text out of a few: a dictionary in Parquet
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"  # an aware datetime; UTC in every file
    LIST = "list"  # of text
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file: its name, what it holds, how wide a spreadsheet shows it, and what it means."""

    name: str
    kind: Kind = Kind.TEXT
    width: int = 14
    about: object = ""  # text, also a lazy translation


def number(value: float) -> str:
    """The shortest text that reads back as the same number; whole numbers without a fraction.

    Not-a-number and infinity are refused: what is missing is None, and a score on no scale is a mistake.
    """
    if isinstance(value, int):
        return str(int(value))
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number that a file can hold; what is missing is None")
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(float(value))


def time(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"{value} does not say in which time zone it is")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def boolean(value: bool) -> str:
    return "true" if value else "false"


#: How a value that is not None is written in a text file. Text stands as it is.
TO_TEXT: dict[Kind, Callable[[Any], str] | None] = {
    Kind.TEXT: None,
    Kind.CATEGORY: None,
    Kind.INTEGER: str,
    Kind.NUMBER: number,
    Kind.BOOLEAN: boolean,
    Kind.TIME: time,
    Kind.LIST: as_json,
    Kind.JSON: as_json,
}
