"""Values of cells as text, ids, numbers, moments and lists: from whatever a file holds them as."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from projects.tables.messages import Message, _, quoted, say

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_EXPONENT = re.compile(r"\d(\.\d+)?E\+\d+", re.IGNORECASE)
_FRACTION = re.compile(r"\d+\.0+")
_DATES = re.compile(
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}( \d{1,2}:\d{2}(:\d{2})?)?"
    r"|\d{1,2}月\d{1,2}日|\d{4}年\d{1,2}月(\d{1,2}日)?"
    r"|\d{1,2}-(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r"|(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d{1,2}",
    re.IGNORECASE,
)
#: A double, which is what spreadsheets keep numbers in, has no more digits than this.
DIGITS = 15


class BadCell(ValueError):
    """A value that is not what its column holds."""

    def __init__(self, reason: Message, advice: Message | None = None) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.advice = advice


def is_empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def as_text(value: Any) -> str:
    """Text; of a number or a moment, as it is written.

    >>> as_text("a"), as_text(3), as_text(3.0), as_text(None)
    ('a', '3', '3', '')
    """
    if isinstance(value, str):
        return value
    if is_empty(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**DIGITS:
        return str(int(value))
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    raise BadCell(say(_("Here should be text; it is %(found)s."), found=_kind(value)))


def as_id(value: Any) -> str:
    """A name: text without spaces around it."""
    return as_text(value).strip()


def wrecked(value: Any) -> Message | None:
    """What a spreadsheet seems to have done to an id, or None.

    >>> str(wrecked("1E+05")), wrecked("a-1")
    ('“1E+05” looks like a number that a spreadsheet shortened.', None)
    """
    if isinstance(value, datetime | date | time | timedelta) or (
        isinstance(value, str) and _DATES.fullmatch(value.strip())
    ):
        return say(
            _("“%(id)s” looks like a date that a spreadsheet made of something else."), id=quoted(str(value))
        )
    if isinstance(value, float) or (isinstance(value, str) and _FRACTION.fullmatch(value.strip())):
        return say(
            _("“%(id)s” looks like a number that a spreadsheet made of something else."),
            id=quoted(str(value)),
        )
    if isinstance(value, str) and _EXPONENT.fullmatch(value.strip()):
        return say(_("“%(id)s” looks like a number that a spreadsheet shortened."), id=quoted(value.strip()))
    return None


def may_be_rounded(value: Any) -> bool:
    """Whether a spreadsheet cannot have kept all digits of this number."""
    return isinstance(value, int) and not isinstance(value, bool) and len(str(abs(value))) > DIGITS


def as_number(value: Any) -> float:
    """A finite number, also in full-width digits.

    >>> as_number(" ４.5 "), as_number(3)
    (4.5, 3.0)
    """
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float | Decimal):
        number = float(value) if -1e300 < value < 1e300 else math.inf
    else:
        text = unicodedata.normalize("NFKC", as_text(value)).strip()
        if _DECIMAL_COMMA.fullmatch(text):
            advice = say(_("Write the decimal point as a point: %(number)s."), number=text.replace(",", "."))
            raise BadCell(say(_("“%(value)s” is not a number."), value=quoted(text)), advice)
        if not _NUMBER.fullmatch(text):
            raise BadCell(say(_("“%(value)s” is not a number."), value=quoted(as_text(value))))
        number = float(text)
    if not math.isfinite(number):
        raise BadCell(say(_("“%(value)s” is not a number."), value=quoted(as_text(value))))
    return number


def as_integer(value: Any, *, least: int, most: int) -> int:
    """A whole number within bounds; 2.0 is one."""
    number = as_number(value)
    if not number.is_integer() or not least <= number <= most:
        reason = say(
            _("“%(value)s” is not a whole number from %(least)s to %(most)s."),
            value=quoted(as_text(value)),
            least=least,
            most=most,
        )
        raise BadCell(reason)
    return int(number)


def as_moment(value: Any) -> datetime:
    """A date with a time, as ISO 8601 or a spreadsheet has it; naive where no time zone is said.

    >>> as_moment("2024-03-01T10:00:00Z").isoformat(), as_moment("2024/3/1 9:05").isoformat()
    ('2024-03-01T10:00:00+00:00', '2024-03-01T09:05:00')
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001  # the caller knows the zone
    text = unicodedata.normalize("NFKC", as_text(value)).strip()
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    if found := re.fullmatch(r"(\d{4})/(\d{1,2})/(\d{1,2})(?: (\d{1,2}):(\d{2})(?::(\d{2}))?)?", text):
        try:
            return datetime(*[int(part or 0) for part in found.groups()])  # type: ignore[arg-type]  # noqa: DTZ001
        except ValueError:
            pass
    advice = say(_("Write it like 2024-03-01T10:00:00+09:00."))
    raise BadCell(say(_("“%(value)s” is not a date with a time."), value=quoted(text)), advice)


def as_list(value: Any) -> list[Any]:
    """A list, or text that is one: as JSON, or parted by semicolons.

    >>> as_list("a; b"), as_list('["a", "b"]'), as_list("")
    (['a', 'b'], ['a', 'b'], [])
    """
    if isinstance(value, list):
        return value
    text = as_text(value).strip()
    if text.startswith("["):
        return list(as_json(text, list))
    return [part.strip() for part in re.split("[;；]", text) if part.strip()]


def as_object(value: Any) -> dict[str, Any]:
    """An object, or text that is one in JSON."""
    if isinstance(value, dict):
        return value
    if is_empty(value):
        return {}
    return dict(as_json(as_text(value), dict))


def as_json(text: str, kind: type) -> Any:
    try:
        found = json.loads(text, parse_constant=lambda name: None)
    except (ValueError, RecursionError) as bad:
        raise BadCell(say(_("This is not JSON: %(what)s"), what=quoted(str(bad), 120))) from None
    if not isinstance(found, kind):
        raise BadCell(
            say(_("Here should be %(wanted)s; it is %(found)s."), wanted=_kind(kind()), found=_kind(found))
        )
    return found


def _kind(value: Any) -> Message:
    if isinstance(value, dict):
        return say(_("an object"))
    if isinstance(value, list):
        return say(_("a list"))
    if isinstance(value, str):
        return say(_("a text"))
    if isinstance(value, bool):
        return say(_("true or false"))
    return say(_("a number")) if isinstance(value, int | float) else say(_("something else"))
