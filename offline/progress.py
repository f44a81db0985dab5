"""How far a run is: a bar on a terminal, a line every ten seconds elsewhere, and `progress.json` for whoever looks in."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from offline.journal import now
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

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar = tqdm(unit=" turns", desc=self.name, smoothing=0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.write()
        if self._bar is not None:
            self._bar.close()

    def tell(self, counts: Counts) -> None:
        self._counts = counts
        passed = time.monotonic() - self._began
        if self._bar is not None:
            self._bar.total = counts.total
            self._bar.set_postfix_str(
                f"failed {counts.failed}, {counts.tokens / max(passed, 1e-9):.0f} tokens/s", refresh=False
            )
            self._bar.update(counts.before + counts.done - self._bar.n)
        elif passed - self._line_at >= LINE_EVERY:
            self._line_at = passed
            print(self.line(), file=sys.stderr, flush=True)
        if passed - self._file_at >= FILE_EVERY:
            self._file_at = passed
            self.write()

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

    def write(self) -> None:
        """Replaced at one stroke: whoever reads it sees the old one or the new one."""
        passed = time.monotonic() - self._began
        said = asdict(self._counts) | {
            "left": self._counts.left,
            "at": now(),
            "seconds": round(passed, 1),
            "tokens_per_second": round(self._counts.tokens / max(passed, 1e-9), 1),
            "seconds_left": self.seconds_left(),
        }
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        fresh.write_text(json.dumps(said) + "\n", encoding="utf-8")
        fresh.replace(self.path)
