"""How far a run is: a bar on a terminal, a line every ten seconds elsewhere, and `progress.json` for whoever looks in."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from offline.journal import as_json, now
from offline.runner import Counts

LINE_EVERY, FILE_EVERY = 10.0, 1.0  # seconds


class Progress:
    """Give `tell` to the runner."""

    def __init__(self, path: Path, *, name: str) -> None:
        self.path, self.name = path, name
        self._began = time.monotonic()
        self._line_at = self._file_at = 0.0
        self._bar: tqdm[Any] | None = None
        self._counts = Counts()
        self._status: int | None = None
        self._why = ""

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            size = os.get_terminal_size(sys.stderr.fileno())  # 0 × 0 where a terminal does not know its own
            self._bar = tqdm(
                unit=" turns", desc=self.name, smoothing=0.05, ncols=size.columns or 100, nrows=size.lines or 24
            )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and not self._why:
            self._why = str(error)
        self.write(ended=True)
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.close()

    def ended(self, status: int, why: str) -> None:
        self._status, self._why = status, why

    def tell(self, counts: Counts) -> None:
        self._counts = counts
        passed = time.monotonic() - self._began
        with contextlib.suppress(OSError):  # a terminal that is gone stops nothing
            self._show(counts, passed)
        if passed - self._file_at >= FILE_EVERY:
            self._file_at = passed
            self.write()

    def _show(self, counts: Counts, passed: float) -> None:
        if self._bar is not None:
            self._bar.total = counts.total
            self._bar.set_postfix_str(
                f"failed {counts.failed}, {counts.tokens / max(passed, 1e-9):.0f} tokens/s", refresh=False
            )
            self._bar.update(counts.before + counts.done - self._bar.n)
        elif passed - self._line_at >= LINE_EVERY:
            self._line_at = passed
            print(self.line(), file=sys.stderr, flush=True)

    def seconds_left(self) -> float | None:
        """At the pace of this run; None before there is one."""
        passed = time.monotonic() - self._began
        return self._counts.left * passed / self._counts.done if self._counts.done else None

    def line(self) -> str:
        counts, passed = self._counts, time.monotonic() - self._began
        left = self.seconds_left()
        return (
            f"{self.name}: {counts.before + counts.done} of {counts.total} turns, {counts.failed} failed,"
            f" {counts.blocked} blocked, {counts.tokens / max(passed, 1e-9):.0f} tokens/s"
            + (f", {left:.0f} s left" if left is not None else "")
        )

    def write(self, *, ended: bool = False) -> None:
        """Replaced at one stroke: whoever reads it sees the old one or the new one. Where it cannot be, the work goes on."""
        passed = time.monotonic() - self._began
        said = asdict(self._counts) | {
            "left": self._counts.left,
            "at": now(),
            "seconds": round(passed, 1),
            "tokens_per_second": round(self._counts.tokens / max(passed, 1e-9), 1),
            "seconds_left": self.seconds_left(),
            "state": "ended" if ended else "working",
            "status": self._status,
            "why": self._why,
            "process": os.getpid(),
            "host": os.uname().nodename,
        }
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            fresh.write_text(as_json(said) + "\n", encoding="utf-8")
            fresh.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink()
