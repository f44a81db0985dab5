"""How a load is to be done, as far as the files do not say it themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A file, and what people call it: that of an upload is not where it lies."""

    path: Path
    name: str = ""

    @property
    def shown(self) -> str:
        # Names of files are bytes on some systems, and need not be text.
        return (self.name or self.path.name).encode("utf-8", "replace").decode()


@dataclass(frozen=True)
class Options:
    #: Name of the format; "" to tell it from what the files hold.
    format: str = ""
    #: Which column holds a field, where it is not called like the field.
    columns: Mapping[str, str] = field(default_factory=dict)
    #: Whether only `columns` count, and no column is taken by its name.
    only_columns: bool = False
    #: What stands for "cannot judge" in a column of scores, besides an empty cell.
    na_values: tuple[str, ...] = ()
    #: Whether a rater's later scores of the same item are repeats rather than mistakes.
    repeats: bool = False
    #: Names of language models for the letters of a file that anonymised them.
    model_names: Mapping[str, str] = field(default_factory=dict)
    #: Name of the batch that holds loaded ratings; "" to name it after the file.
    batch: str = ""
    #: Whether answers that only say that generating them failed are left out, rather than refused.
    skip_failed: bool = False
    #: Of files that do not name them: whose answers, whose judgments, and on which axis.
    model: str = ""
    judge: str = ""
    axis: str = ""
    #: Whether conversations that are not whole are loaded as far as they go.
    partial: bool = False
    #: Whether another text under a known key becomes the next sample rather than a conflict.
    new_version: bool = False
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
