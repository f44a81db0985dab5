"""How often the intervals that we print cover the truth:
`python -m bench.coverage [--studies N] [--small] [--only NAME] [--json]`.

Simulates studies from a population that is known (`bench.coverage_studies.population`), computes every figure with its
interval as the product does, and counts the intervals with the truth in them: 93 to 97 % is the aim at a nominal 95 %.
The truth is a closed form, or the figure of a population of 100 times as many prompts as the study (20,000 at least); of
figures that depend on the size of a study by their definition (marked "size"), the mean over the studies.

Sizes are prompts x models x raters per item. Figures that there are several of (of each rater, of each model) are counted
together; the error of a share (95 %, from chance in the simulation) is clustered by study. "none" is the share of studies
in which the figure has no interval, with a reason: these are not counted. "below" and "above": the truth was below, above
the interval. "off": mean error of the figure, in standard deviations of it.

Ctrl-C prints what there is so far.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: there are processes enough

import argparse
import json
import signal
import sys
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from types import ModuleType
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from bench.coverage_studies import agreement, designs, judges, rankings, raters
from bench.coverage_studies.found import Found
from bench.coverage_studies.population import Cell
from stats.estimate import Estimate

SUITES: dict[str, ModuleType] = {
    "agreement": agreement,
    "raters": raters,
    "judges": judges,
    "rankings": rankings,
    "designs": designs,
}

CELLS = (Cell(30, 4, 2, 6), Cell(100, 4, 3, 8), Cell(100, 10, 2, 12), Cell(484, 10, 2, 30))

SMALL = (Cell(30, 4, 2, 6),)

NOMINAL, LOWEST, HIGHEST = 0.95, 0.93, 0.97

TRUTH = -1
"""The number of the study that is the population."""

STUDIES, OF_LARGE, LARGE = 600, 400, 400
"""Studies of each size, and of those with more than `LARGE` prompts."""


class Task(NamedTuple):
    suite: str
    cell: Cell
    number: int
    replicates: int
    population: int


Numbers = dict[tuple[str, int], tuple[float, float, float]]
"""Value, low and high of each figure; NaN where there is none."""


def run(task: Task) -> tuple[Task, Numbers]:
    """One study, or the population. The same task gives the same numbers, in whichever process."""
    seed = (
        [*SUITES].index(task.suite),
        task.cell.prompts,
        task.cell.models,
        task.cell.per_item,
        task.number + 1,
    )
    rng = np.random.default_rng(seed)
    if task.number == TRUTH:
        return task, truth(task.suite, task.cell, task.population, rng)
    return task, _numbers(SUITES[task.suite].study(task.cell, rng, task.replicates))


def truth(suite: str, cell: Cell, prompts: int, rng: np.random.Generator) -> Numbers:
    """The value of each figure in a population of so many prompts, or in closed form."""
    if suite == "designs":  # figures stand less their truth
        return {}
    found = _numbers(SUITES[suite].study(cell.larger(prompts), rng, 2))
    if suite == "agreement":
        found |= {key: (value, value, value) for key, value in agreement.closed_form().items()}
    return found


def _numbers(found: Found) -> Numbers:
    return {
        key: (one.value, np.nan if one.low is None else one.low, np.nan if one.high is None else one.high)
        if isinstance(one, Estimate)
        else (np.nan,) * 3
        for key, one in found.items()
    }


@dataclass(frozen=True)
class Row:
    """A figure at one size."""

    suite: str
    figure: str
    cell: str
    coverage: float | None
    error: float | None
    """Half of the 95 % interval of `coverage`."""
    studies: int
    without: float
    below: float
    above: float
    off: float | None
    width: float | None
    """Mean width of the intervals."""
    truth: float | None
    size: bool
    """The truth is that of studies of this size."""

    @property
    def within(self) -> bool:
        return self.coverage is not None and LOWEST <= self.coverage <= HIGHEST

    @property
    def outside(self) -> bool:
        """Further from 93 to 97 % than the error of the simulation reaches."""
        if self.coverage is None or self.error is None:
            return False
        return self.coverage + self.error < LOWEST or self.coverage - self.error > HIGHEST


def rows(done: dict[tuple[str, Cell], dict[int, Numbers]]) -> list[Row]:
    found = []
    for (suite, cell), studies in done.items():
        of_population = studies.get(TRUTH, {})
        numbers = [of for number, of in studies.items() if number != TRUTH]
        if not numbers or TRUTH not in studies:
            continue
        names: dict[str, list[int]] = {}
        for name, place in dict.fromkeys(key for of in numbers for key in of):
            names.setdefault(name, []).append(place)
        for name, places in names.items():
            nothing = (np.nan,) * 3
            table = np.array([[of.get((name, place), nothing) for place in places] for of in numbers])
            size = name.startswith(SUITES[suite].OF_THIS_SIZE)
            if size:
                right = _mean(table[:, :, 0])
            elif suite == "designs" or name.startswith("item mean"):
                right = np.zeros(len(places))
            else:
                right = np.array([of_population.get((name, place), nothing)[0] for place in places])
            row = _row(suite, name, cell, table, right, size)
            if row:
                found.append(row)
    return found


def _mean(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=0) / known.sum(axis=0)


def _row(suite: str, name: str, cell: Cell, table: np.ndarray, right: np.ndarray, size: bool) -> Row | None:
    """`table` (studies, figures, 3), `right` (figures,)."""
    value, low, high = np.moveaxis(table, 2, 0)
    if not np.isfinite(right).any() or not np.isfinite(value).any():
        return None
    slack = 1e-9
    below, above = right < low - slack, right > high + slack
    there = np.isfinite(low) & np.isfinite(right)
    if not there.any():
        return None
    n = there.sum()
    each = (there & ~below & ~above).sum(axis=1)
    share = each.sum() / n
    residual = each - share * there.sum(axis=1)
    used = there.any(axis=1).sum()
    error = 1.96 * np.sqrt((residual**2).sum() * used / max(used - 1, 1)) / n
    with np.errstate(invalid="ignore"):
        spread = (
            np.nanstd(np.where(np.isfinite(right), value, np.nan)) if value.shape[1] == 1 else _spread(value)
        )
        off = float(np.nanmean(value - right)) / spread if spread > 0 else 0.0
    return Row(
        suite=suite,
        figure=name,
        cell=str(cell),
        coverage=float(share),
        error=float(error),
        studies=len(table),
        without=float(1 - n / (np.isfinite(right).sum() * len(table))),
        below=float((there & below).sum() / n),
        above=float((there & above).sum() / n),
        off=float(off),
        width=float((high - low)[there].mean()),
        truth=float(right[0]) if right.size == 1 else None,
        size=size,
    )


def _spread(value: np.ndarray) -> float:
    """SD of a figure over studies, of the figures of a row on average."""
    centred = value - _mean(value)
    return float(np.sqrt(np.nanmean(centred**2)))


# Output


def as_text(found: list[Row], *, details: bool) -> str:
    """A table of figures by sizes, as Markdown; `*` where coverage is outside of 93 to 97 %, and not by the error alone."""
    lines = []
    for suite in dict.fromkeys(row.suite for row in found):
        mine = [row for row in found if row.suite == suite]
        cells = list(dict.fromkeys(row.cell for row in mine))
        lines += [
            "",
            f"### {suite}",
            "",
            f"| figure | {' | '.join(cells)} |",
            "| --- |" + " --- |" * len(cells),
        ]
        for figure in dict.fromkeys(row.figure for row in mine):
            by_cell = {row.cell: row for row in mine if row.figure == figure}
            size = " (size)" if any(row.size for row in by_cell.values()) else ""
            shown = [_shown(by_cell.get(cell), details) for cell in cells]
            lines.append(f"| {figure}{size} | {' | '.join(shown)} |")
    within, outside = sum(row.within for row in found), sum(row.outside for row in found)
    lines += [
        "",
        f"{len(found)} intervals: {within} within {LOWEST:.0%} to {HIGHEST:.0%}, {outside} outside (*), the",
    ]
    lines[-1] += (
        f" others ({len(found) - within - outside}) no further off than chance in so many studies takes them"
    )
    return "\n".join(lines)


def _shown(row: Row | None, details: bool) -> str:
    if row is None or row.coverage is None:
        return "–"
    text = f"{100 * row.coverage:.1f}{'*' if row.outside else ''}"
    if row.without > 0.005:
        text += f" (none {100 * row.without:.0f} %)"
    if details:
        text += f" ±{100 * row.error:.1f} [{100 * row.below:.1f} {100 * row.above:.1f}] off {row.off:+.2f}"
    return text


def measured(
    tasks: list[Task], processes: int, bar: bool = True
) -> dict[tuple[str, Cell], dict[int, Numbers]]:
    """What all tasks give, or those done until somebody pressed Ctrl-C."""
    done: dict[tuple[str, Cell], dict[int, Numbers]] = defaultdict(dict)
    with ExitStack() as stack:
        found = map(run, tasks)
        if processes > 1:
            pool = stack.enter_context(get_context("fork").Pool(processes, initializer=_quiet))
            found = pool.imap_unordered(run, tasks)
        try:
            for task, numbers in tqdm(found, total=len(tasks), unit=" studies", disable=None):
                done[task.suite, task.cell][task.number] = numbers
        except KeyboardInterrupt:
            print("Stopped: what there is so far.", file=sys.stderr)
    return done


def _quiet() -> None:
    """Workers leave Ctrl-C to the one that waits for them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def tasks_of(
    suites: Iterable[str], cells: Iterable[Cell], studies: int | None, replicates: int, least: int
) -> list[Task]:
    """Populations first; then studies, all suites and sizes in turn."""
    tasks = [
        Task(suite, cell, TRUTH, replicates, max(least, 100 * cell.prompts))
        for cell in sorted(cells, key=lambda cell: -cell.prompts)
        for suite in suites
    ]
    number_of = {cell: studies or (OF_LARGE if cell.prompts > LARGE else STUDIES) for cell in cells}
    tasks += [
        Task(suite, cell, number, replicates, 0)
        for number in range(max(number_of.values(), default=0))
        for cell in cells
        if number < number_of[cell]
        for suite in suites
    ]
    return tasks


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--studies", type=int, help=f"of each size; {STUDIES}, of the largest {OF_LARGE}, with --small 40"
    )
    parser.add_argument("--small", action="store_true", help="the smallest size alone, and small populations")
    parser.add_argument(
        "--only", metavar="NAME", help=f"one of {', '.join(SUITES)}, or a part of a figure's name"
    )
    parser.add_argument("--size", metavar="PxMxK", help="one size: 30x4x2, 100x4x3, 100x10x2, 484x10x2")
    parser.add_argument("--replicates", type=int, default=1000, help="of each bootstrap (1000)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--details", action="store_true", help="with errors, misses on either side and bias")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cells = [cell for cell in (SMALL if options.small else CELLS) if options.size in (None, str(cell))]
    studies = options.studies or (40 if options.small else None)
    suites = [options.only] if options.only in SUITES else list(SUITES)
    least = 3_000 if options.small else 20_000
    done = measured(tasks_of(suites, cells, studies, options.replicates, least), options.processes)
    found = rows(done)
    if options.only and options.only not in SUITES:
        found = [row for row in found if options.only in row.figure]
    if options.json:
        print(json.dumps([asdict(row) | {"outside": row.outside} for row in found]))
        return
    print(as_text(found, details=options.details))
    for cell in dict.fromkeys(row.cell for row in found):
        number = max(row.studies for row in found if row.cell == cell)
        print(
            f"{cell}: {number} studies, error of a share near 95 % up to ±{196 * (0.95 * 0.05 / number) ** 0.5:.1f} %"
        )


if __name__ == "__main__":
    main()
