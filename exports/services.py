"""Files for a folder: whole or not there, with a manifest that tells one export from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from django.utils import timezone

from exports.facets import DATA, FACETS, SPECIFICATION, Facets
from exports.files import FORMATS, open_book, whole_file
from exports.human_eval import HUMAN_EVAL, HumanEval
from exports.selection import Selection, one_snapshot
from exports.tables import TABLES
from exports.tables.about import DATA as DATA_TABLES

#: Lets a caller watch rows go by: given a table's name, its number of rows and the rows.
Watch = Callable[[str, int, Iterable[Any]], Iterable[Any]]

MANIFEST = "manifest.json"
NAMES = f"{HUMAN_EVAL}.names"
#: What the tables of `--table` are. A workbook holds them all, with what the columns mean.
CHOICES = {
    "long": ("long",),
    "wide": ("wide",),
    "both": ("long", "wide"),
    "all": tuple(table.name for table in DATA_TABLES),
    **{table.name: (table.name,) for table in DATA_TABLES if table.name not in ("long", "wide")},
}
WORKBOOK_TABLES = tuple(TABLES)


def _unwatched(_table: str, _count: int, rows: Iterable[Any]) -> Iterable[Any]:
    return rows


@dataclass
class Written:
    """A file as the manifest lists it."""

    rows: dict[str, int]
    altered: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class _Hashed:
    """A target that knows the checksum of what went through."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self.sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.bytes += len(data)
        return self._target.write(data)

    def flush(self) -> None:
        self._target.flush()


def export(
    *,
    selection: Selection,
    folder: Path,
    format_name: str,
    tables: str = "both",
    bom: bool = False,
    watch: Watch = _unwatched,
) -> dict[str, Any]:
    """Write the files of one export into `folder`, and their manifest last; returns the manifest.

    All files see the same moment of the database. They appear together when all are written; until then, and when
    writing is stopped, the folder stays as it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    with (
        ExitStack() as moved,
        one_snapshot(),
    ):  # files take their places when the stack unwinds, first come last
        manifest_file = moved.enter_context(whole_file(folder / MANIFEST))
        for name, write in _files(selection, format_name, tables, bom, watch):
            target = _Hashed(moved.enter_context(whole_file(folder / name)))
            written = write(target)
            listed.append(
                {
                    "name": name,
                    "rows": written.rows,
                    "bytes": target.bytes,
                    "sha256": target.sha256.hexdigest(),
                    **({"altered": written.altered} if written.altered else {}),
                    **({"notes": written.notes} if written.notes else {}),
                }
            )
        manifest = _manifest(selection, format_name, tables, bom, listed)
        manifest_file.write(json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n")
    return manifest


def _files(
    selection: Selection, format_name: str, tables: str, bom: bool, watch: Watch
) -> Iterator[tuple[str, Callable[[Any], Written]]]:
    if format_name == HUMAN_EVAL:
        layout = HumanEval(selection)
        yield f"{HUMAN_EVAL}.jsonl", lambda target: write_human_eval(layout, target, watch=watch)
        yield NAMES, lambda target: _write_names(layout, target)
        return
    if format_name == FACETS:
        observations = Facets(selection)
        yield DATA, lambda target: _write_facets(observations, target, watch=watch)
        yield SPECIFICATION, lambda target: _write_specification(observations, target)
        return
    extension = FORMATS[format_name].extension
    if FORMATS[format_name].several_tables:
        yield (
            f"{selection.project.slug}.{extension}",
            lambda target: write_tables(
                selection, target, format_name, WORKBOOK_TABLES, bom=bom, watch=watch
            ),
        )
        return
    for name in CHOICES[tables]:
        yield (
            f"{name}.{extension}",
            lambda target, name=name: write_tables(  # type: ignore[misc]
                selection, target, format_name, [name], bom=bom, watch=watch
            ),
        )


def write_tables(
    selection: Selection,
    target: BinaryIO,
    format_name: str,
    names: Iterable[str],
    *,
    bom: bool = False,
    watch: Watch = _unwatched,
) -> Written:
    """Write tables into one file."""
    written = Written({})
    with open_book(format_name, target, bom=bom) as book:
        for name in names:
            table = TABLES[name](selection)
            with book.table(name, table.columns) as out:
                out.write(watch(name, table.count(), table.rows()))
            written.rows[name] = out.rows
    written.altered = dict(book.altered)
    return written


def _write_names(layout: HumanEval, target: BinaryIO) -> Written:
    """What `manage.py load --names` reads; loading a folder passes it by."""
    target.write(json.dumps(layout.names, ensure_ascii=False, indent=2).encode() + b"\n")
    return Written({"models": len(layout.names)})


def write_human_eval(layout: HumanEval, target: BinaryIO, *, watch: Watch = _unwatched) -> Written:
    lines = 0
    for piece in watch(HUMAN_EVAL, layout.count(), layout.pieces()):
        target.write(piece)
        lines += 1
    return Written({HUMAN_EVAL: lines}, notes=layout.notes())


def _write_facets(layout: Facets, target: BinaryIO, *, watch: Watch) -> Written:
    lines = 0
    for piece in watch(FACETS, layout.count(), layout.pieces()):
        target.write(piece)
        lines += piece.count(b"\n")
    return Written({"observations": lines}, notes=layout.notes())


def _write_specification(layout: Facets, target: BinaryIO) -> Written:
    """After the observations: by then it is known what they name."""
    target.write(layout.specification().encode())
    return Written(
        {one.name + "s" if one.name != "axis" else "axes": len(one.labels) for one in layout.facets}
    )


def _manifest(
    selection: Selection, format_name: str, tables: str, bom: bool, files: list[dict[str, Any]]
) -> dict[str, Any]:
    counts = selection.counts
    last = counts["last_submitted_at"]
    return {
        "project": selection.project.slug,
        "name": selection.project.name,
        "simulated": selection.project.is_simulated,
        "exported_at": timezone.now().isoformat(timespec="seconds"),
        "format": format_name,
        "bom": bom,
        "filter": {"batch": selection.batch.name if selection.batch else None},
        "ratings": {
            "submitted": counts["submitted"],
            "skipped": counts["skipped"],
            "scores": counts["scores"],
            "last_submitted_at": last.isoformat() if last else None,
        },
        "files": files,
    }
