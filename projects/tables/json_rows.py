"""JSON lines, and JSON arrays or objects one after the other, however they are laid out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from projects.tables.encoding import Encoding, detect, opened_text, undecodable
from projects.tables.messages import _, quoted, say
from projects.tables.problems import Place, Problem, Problems, Refused
from projects.tables.rows import Row, Table

CHUNK = 1 << 18
LONGEST_OBJECT = 64 << 20
FIRST_OBJECTS = 20
_SPACE = re.compile(r"[\s\ufeff]*")
#: What an object cannot hold in the end is written like this in JSON, or as it is.
_TO_CLEAN = re.compile(r"\x00|\\u0000|\\u[dD][89a-fA-F]", re.ASCII)


class BadObject(ValueError):
    """JSON, but not what a row can be."""


def _no_infinity(name: str) -> None:
    if name != "NaN":  # which pandas writes where there is nothing
        raise BadObject(f"{name} is no number in JSON")


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        raise TwiceNamed(next(name for name in names if names.count(name) > 1))
    return found


class TwiceNamed(BadObject):
    pass


_DECODER = json.JSONDecoder(parse_constant=_no_infinity, object_pairs_hook=_each_name_once)


class _JsonTable(Table):
    def __init__(self, path: Path, name: str, *, encoding: str = "") -> None:
        super().__init__(path, name)
        self.encoding = Encoding(encoding) if encoding else detect(path, name)
        self._columns: list[str] | None = None

    @property
    def columns(self) -> list[str]:
        """The fields of the first objects, in order of appearance."""
        if self._columns is None:
            names: dict[str, None] = {}
            for number, row in enumerate(self.rows(Problems())):
                if number == FIRST_OBJECTS:
                    break
                names.update(dict.fromkeys(row.values))
            self._columns = list(names)
        return self._columns

    def facts(self) -> dict[str, str]:
        facts = {"format": self.format, "encoding": self.encoding.shown}
        return facts | ({"encoding_guessed": "yes"} if self.encoding.guessed else {})

    def _row(self, line: int, found: Any, text: str, problems: Problems) -> Row | None:
        if not isinstance(found, dict):
            reason = say(_("This is %(found)s; each row is an object in curly brackets."), found=_kind(found))
            problems.add(Problem(reason, self.place(line)))
            return None
        if ("\\u" in text or "\x00" in text) and _TO_CLEAN.search(text):
            try:
                found = self._cleaned(line, found, problems)
            except RecursionError as bad:
                problems.add(_not_json(bad, self.place(line), text))
                return None
        return Row(self, line, found)

    def _undecodable(self, bad: Exception) -> Refused:
        return Refused(undecodable(self.path, self.name, self.encoding.name, bad))


class JsonLinesTable(_JsonTable):
    """One object a line; a bad line is told and the next one read."""

    format = "jsonl"

    def rows(self, problems: Problems) -> Iterator[Row]:
        self.replaced = 0
        decode = _DECODER.decode
        try:
            with opened_text(self.path, self.encoding.name, newline="\n") as (file, raw):
                for line, text in enumerate(_physical_lines(file), 1):
                    text = text.strip().lstrip("\ufeff")
                    if not text:
                        continue
                    try:
                        found = decode(text)
                    except (ValueError, RecursionError) as bad:
                        problems.add(_not_json(bad, self.place(line), text))
                        continue
                    row = self._row(line, found, text, problems)
                    if row is not None:
                        self.position = raw.tell()
                        yield row
        except (UnicodeError, LookupError) as bad:
            raise self._undecodable(bad) from None
        self.position = self.size


def _physical_lines(file: IO[str]) -> Iterator[str]:
    """Lines as editors count them: U+2028 and its like, which JSON may hold as they are, end none."""
    while line := file.readline(LONGEST_OBJECT):
        yield line


class JsonTable(_JsonTable):
    """An array of objects, or objects one after the other, over any number of lines."""

    format = "json"

    def rows(self, problems: Problems) -> Iterator[Row]:
        self.replaced = 0
        try:
            with opened_text(self.path, self.encoding.name, newline="\n") as (file, raw):
                for line, text, found in self._objects(file, problems):
                    row = self._row(line, found, text, problems)
                    if row is not None:
                        self.position = raw.tell()
                        yield row
        except (UnicodeError, LookupError) as bad:
            raise self._undecodable(bad) from None
        self.position = self.size

    def _objects(self, file: IO[str], problems: Problems) -> Iterator[tuple[int, str, Any]]:
        """Each object with its text and the line it begins in. Memory holds one object and what was read with it."""
        text, at, line, in_array, ended = "", 0, 1, False, False
        while True:
            start = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # matches the empty text, too
            while start < len(text) and text[start] in ",[]":
                in_array, ended = in_array or text[start] == "[", ended or text[start] == "]"
                start = _SPACE.match(text, start + 1).end()  # type: ignore[union-attr]
            line += text.count("\n", at, start)
            at = start
            found, end, bad = None, 0, None
            if at < len(text):
                try:
                    found, end = _DECODER.raw_decode(text, at)
                except BadObject as wrong:
                    problems.add(_not_json(wrong, self.place(line), text[at:]))
                    return
                except (ValueError, RecursionError) as wrong:
                    bad = wrong
            if end and (isinstance(found, dict) or end < len(text)):
                yield line, text[at:end], found
                line += text.count("\n", at, end)
                at = end
                continue
            if bad is not None and not _may_be_cut(bad, text):
                problems.add(_not_json(bad, self.place(line), text[at:]))
                return
            size = max(
                CHUNK, len(text) - at
            )  # twice as much each time, so that a long object is not read again and again
            chunk = file.read(size)
            if not chunk:
                if bad is not None:
                    problems.add(_not_json(bad, self.place(line), text[at:]))
                elif end:
                    yield line, text[at:end], found
                elif in_array and not ended:
                    reason = say(
                        _("The array that the file begins with is never closed; its end may be missing.")
                    )
                    problems.add(Problem(reason, self.place(line)))
                return
            text, at = text[at:] + chunk, 0
            if len(text) > LONGEST_OBJECT + 2 * CHUNK:
                reason = say(
                    _("An object that begins here is longer than %(most)s million characters."), most=64
                )
                problems.add(Problem(reason, self.place(line)))
                return


def _may_be_cut(bad: Exception, text: str) -> bool:
    """Whether the text may only have ended too early, more of it being unread."""
    if not isinstance(bad, json.JSONDecodeError):
        return False
    return bad.msg.startswith("Unterminated string") or bad.pos >= len(text) - 16


def _not_json(bad: Exception, place: Place, text: str) -> Problem:
    if isinstance(bad, TwiceNamed):
        return Problem(
            say(_("The field “%(name)s” stands here twice."), name=quoted(str(bad))), place, str(bad)
        )
    if isinstance(bad, RecursionError):
        return Problem(say(_("This is nested too deeply.")), place)
    if isinstance(bad, BadObject):
        return Problem(say(_("Infinity is not a number that can be stored.")), place)
    if isinstance(bad, json.JSONDecodeError):
        reason = say(
            _("This is not JSON: %(what)s at character %(column)s, near “%(near)s”."),
            what=bad.msg,
            column=bad.pos + 1,
            near=quoted(text[max(0, bad.pos - 15) : bad.pos + 15]),
        )
        return Problem(reason, place)
    return Problem(say(_("This is not JSON: %(what)s"), what=quoted(str(bad), 120)), place)


def _kind(found: Any) -> Any:
    kinds = {
        list: _("a list"),
        str: _("a text"),
        bool: _("true or false"),
        int: _("a number"),
        float: _("a number"),
    }
    return say(kinds.get(type(found), _("nothing")))


def is_json_lines(head: str, *, whole: bool) -> bool:
    """Whether the first line that holds anything is an object by itself.

    >>> is_json_lines('{"a": 1}\\n', whole=True), is_json_lines('{\\n"a": 1}', whole=True)
    (True, False)
    """
    head = head.lstrip("\ufeff \t\r\n")
    first, ended, rest = head.partition("\n")
    if not ended and not whole:
        return True  # one line longer than the sample
    try:
        _DECODER.decode(first.strip())
    except BadObject:
        return True
    except (ValueError, RecursionError):
        # Broken, either way. Lines that each begin with a bracket are JSON lines with a bad first line.
        second = rest.lstrip().partition("\n")[0].rstrip()
        return first.strip() != "{" and (not second or (second.startswith("{") and second.endswith("}")))
    return True
