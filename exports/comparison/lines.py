"""Figures as lines of text that stand in columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from annotation.agreement.report import figure_in_words
from annotation.terminal import padded, width
from stats.estimate import Result

NARROWEST = 36


@dataclass(slots=True)
class Section:
    """Figures under one heading; a string stands as a line of its own."""

    title: str
    rows: list[tuple[str, Result] | str] = field(default_factory=list)


def aligned(sections: Iterable[Section]) -> Iterator[str]:
    sections = list(sections)
    labels = [row[0] for section in sections for row in section.rows if not isinstance(row, str)]
    figures = [
        figure_in_words(row[1]) for section in sections for row in section.rows if not isinstance(row, str)
    ]
    label_width = max([NARROWEST, *map(width, labels)])
    figure_width = max(map(width, figures), default=0)
    for section in sections:
        yield ""
        yield f"  {section.title}"
        for row in section.rows:
            if isinstance(row, str):
                yield f"    {row}"
            else:
                label, figure = row
                yield f"    {padded(label, label_width)}  {padded(figure_in_words(figure), figure_width)}  n = {figure.n:,}"


def heading(title: str, line: str) -> Iterator[str]:
    yield title
    yield line * width(title)
