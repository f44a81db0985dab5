"""In which encoding a text file is written."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from charset_normalizer import from_bytes

from projects.tables.messages import _, say
from projects.tables.problems import Place, Problem, Refused

CHUNK = 1 << 20
SAMPLE = 1 << 18
#: Guesses that are believed as they are; among the many Latin ones, Windows' own is by far the likeliest.
NOT_LATIN = {
    "gb18030",
    "gb2312",
    "gbk",
    "big5",
    "big5hkscs",
    "cp949",
    "euc_kr",
    "cp1251",
    "koi8_r",
    "cp932",
    "euc_jp",
}
#: So many characters of several bytes before the first bad byte: the file is UTF-8, and damaged.
ENOUGH_UTF8 = 8

BOMS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
SHOWN = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 (BOM)",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE",
    "utf-32": "UTF-32",
    "cp932": "CP932 (Shift_JIS)",
    "euc_jp": "EUC-JP",
    "iso2022_jp": "ISO-2022-JP",
}
#: Punctuation, kana and the kanji of the first level, by their first byte in CP932.
_EVERYDAY_FIRST, _EVERYDAY_LAST = 0x81, 0x97
_HALF_WIDTH_KANA = re.compile("[\uff66-\uff9f]")
_JIS_ESCAPE = re.compile(rb"\x1b\$[@B]|\x1b\(J")


@dataclass(frozen=True)
class Encoding:
    name: str
    #: Nothing in the file says so; it was taken to be the likeliest.
    guessed: bool = False

    @property
    def shown(self) -> str:
        return SHOWN.get(self.name, self.name)


def detect(path: Path, name: str) -> Encoding:
    """The encoding of the whole file, which is read once through; `name` is what errors call the file.

    UTF-8 proves itself, being hard to hit by chance; UTF-16 by its mark, or by where its zero bytes lie; of the
    Japanese encodings CP932 and EUC-JP the one that decodes and reads like Japanese. Only then is there a guess.
    """
    with path.open("rb") as file:
        head = file.read(SAMPLE)
    for bom, encoding in BOMS:
        if head.startswith(bom):
            return Encoding(encoding)
    if utf16 := _utf16_by_zeros(head):
        return Encoding(utf16, guessed=True)
    if _JIS_ESCAPE.search(head):
        return Encoding("iso2022_jp")

    bad_at = _first_bad_byte(path, "utf-8")
    if bad_at is None:
        return Encoding("utf-8")
    before = _read(path, max(0, bad_at - SAMPLE), min(bad_at, SAMPLE)).decode("utf-8", errors="ignore")
    if sum(char > "\x7f" for char in before) >= ENOUGH_UTF8:
        raise Refused(_damaged(path, name, "UTF-8", bad_at))
    return _japanese(path) or _guess(path, name, bad_at)


def _utf16_by_zeros(head: bytes) -> str | None:
    """UTF-16 without a mark: most line ends have their zero byte, on the side that the byte order says.

    A stray U+0000 in a file of another encoding does not make it so.
    """
    if b"\x00" not in head:
        return None
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(head)
        except UnicodeDecodeError:
            continue
        lines = text.count("\n")
        if lines and lines * 2 >= head.count(b"\n") and "\x00" not in text:
            return encoding
    return None


def _first_bad_byte(path: Path, encoding: str) -> int | None:
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as bad:
                return done - pending + bad.start
            done += len(chunk)
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return done - pending
    return None


def _read(path: Path, start: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)


def _japanese(path: Path) -> Encoding | None:
    fitting = [encoding for encoding in ("cp932", "euc_jp") if _first_bad_byte(path, encoding) is None]
    scores = {encoding: _reads_like_japanese(path, encoding) for encoding in fitting}
    best = max(scores, key=lambda encoding: scores[encoding], default=None)
    return Encoding(best) if best and scores[best] > 0 else None


def _reads_like_japanese(path: Path, encoding: str) -> float:
    """Share of everyday characters among what is not ASCII, less that of half-width kana.

    Wrong decoding is full of half-width kana; European letters turn into rare characters.
    """
    text = codecs.getincrementaldecoder(encoding)(errors="ignore").decode(_read(path, 0, SAMPLE))
    foreign = [char for char in text if char > "\x7f"]
    if not foreign:
        return 0.0
    half_width = len(_HALF_WIDTH_KANA.findall(text))
    everyday = sum(_EVERYDAY_FIRST <= lead <= _EVERYDAY_LAST for lead in map(_lead_byte, foreign))
    return (everyday - half_width) / len(foreign)


def _lead_byte(char: str) -> int:
    return char.encode("cp932", errors="replace")[0]


def _guess(path: Path, name: str, bad_at: int) -> Encoding:
    """The last resort: statistics over the bytes around the first that is not UTF-8."""
    around = _read(path, max(0, bad_at - SAMPLE // 2), SAMPLE)
    best = from_bytes(around).best()
    if best is not None:
        for encoding in [best.encoding] if best.encoding in NOT_LATIN else ["cp1252", best.encoding]:
            if _first_bad_byte(path, encoding) is None:
                return Encoding(encoding, guessed=True)
    raise Refused(
        Problem(
            say(_("The encoding of this file could not be told.")),
            Place(name, _line_of(path, bad_at)),
            advice=say(_("Save it as UTF-8, or name the encoding.")),
        )
    )


def _damaged(path: Path, name: str, encoding: str, at: int) -> Problem:
    byte = _read(path, at, 1)
    return Problem(
        say(
            _("This is %(encoding)s, but the byte %(byte)s is not."),
            encoding=encoding,
            byte=f"0x{byte.hex().upper()}",
        ),
        Place(name, _line_of(path, at)),
        advice=say(
            _(
                "The file may be damaged or put together from files in different encodings; save it again as UTF-8."
            )
        ),
    )


def _line_of(path: Path, at: int) -> int:
    """The line in which a byte stands, in a file whose encoding has ASCII line ends."""
    line, left = 1, at
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            line += chunk.count(b"\n")
            left -= len(chunk)
    return line


@contextmanager
def opened_text(path: Path, encoding: str, *, newline: str) -> Iterator[tuple[IO[str], IO[bytes]]]:
    """The file as text, and as the bytes below, which tell how far reading has come."""
    with path.open("rb") as raw:
        text = io.TextIOWrapper(raw, encoding=encoding, newline=newline)
        try:
            yield text, raw
        finally:
            text.close()


def undecodable(path: Path, name: str, encoding: str, bad: Exception) -> Problem:
    """The error for a file that was said to be in an encoding that it is not in, or that does not exist."""
    if isinstance(bad, LookupError):
        return Problem(say(_("There is no encoding called “%(name)s”."), name=encoding), Place(name))
    at = _first_bad_byte(path, encoding)
    return Problem(
        say(_("This file is not in the encoding %(encoding)s."), encoding=SHOWN.get(encoding, encoding)),
        Place(name, None if at is None else _line_of(path, at)),
        advice=say(_("Leave the encoding out to have it detected.")),
    )
