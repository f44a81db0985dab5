"""The journal: what has been answered, kept so that a crash loses no more than what was on its way.

`results-<k>-of-<n>.jsonl` holds a line per finished turn or failed attempt, each flushed at once and synced to the disk each
second. Nothing in it is ever changed. Whoever starts again reads it, cuts off a last line that was torn in two, and knows
what is left to do. A lock keeps a second runner off the same shard.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

VERSION = 1
SYNC_EVERY = 1.0  # seconds


class JournalError(RuntimeError):
    """The journal cannot be used: somebody else does, or it is not what it should be."""


@dataclass(slots=True)
class Done:
    """What the journal says of one item."""

    settled: dict[int, int] = field(default_factory=dict)
    """By turn: where in the file the line stands that settled it."""
    failed: set[int] = field(default_factory=set)
    """Turns that failed for good."""
    attempts: dict[int, int] = field(default_factory=dict)
    """By turn: attempts that were recorded."""
    answered: dict[int, int] = field(default_factory=dict)
    """By turn: answers that settled nothing, as when a judge's could not be read."""


class AllDone:
    """What a journal says of all items: little of each, for there may be millions.

    Nearly always it is where the first line of a turn stands, which settled it. So that is what is kept, as numbers, and
    `Done` is made of it when somebody asks; the rest is kept as it is.
    """

    def __init__(self) -> None:
        self._settled: dict[bytes, int | tuple[int, ...]] = {}
        self._more: dict[bytes, Done] = {}

    def __len__(self) -> int:
        return len(self._settled.keys() | self._more.keys())

    def take(self, offset: int, line: dict[str, Any], *, retry_errors: bool) -> None:
        key, turn = bytes.fromhex(line["item_id"]), int(line["turn"])
        known = self._settled.get(key, ())
        before = (known,) if isinstance(known, int) else known
        if key not in self._more and turn == len(before) + 1 and _settles(line) and not line.get("attempt"):
            self._settled[key] = (*before, offset) if before else offset
            return
        done = self._more.get(key)
        if done is None:
            done = self._more[key] = self._done(key)
        done.attempts[turn] = max(done.attempts.get(turn, 0), int(line.get("attempt", 0)) + 1)
        if line["status"] == "error":
            if not (line["error"]["retryable"] or retry_errors or turn in done.settled):
                done.failed.add(turn)
        elif _settles(line):
            done.settled.setdefault(turn, offset)
            done.failed.discard(turn)
        else:
            done.answered[turn] = done.answered.get(turn, 0) + 1

    def pop(self, item_id: str) -> Done:
        """What is known of the item, and no longer kept; of an unknown one, nothing is done."""
        key = bytes.fromhex(item_id)
        return self._more.pop(key, None) or self._done(key)

    def _done(self, key: bytes) -> Done:
        known = self._settled.pop(key, ())
        offsets = (known,) if isinstance(known, int) else known
        turns = range(1, len(offsets) + 1)
        return Done(settled=dict(zip(turns, offsets, strict=True)), attempts=dict.fromkeys(turns, 1))


def _settles(line: dict[str, Any]) -> bool:
    return line["status"] == "ok" and line.get("settled", True) is True


def name_of(shard: tuple[int, int]) -> str:
    return f"results-{shard[0]}-of-{shard[1]}.jsonl"


class Journal:
    """The journal of one shard, open for writing. Use it in a `with`."""

    def __init__(self, folder: Path, shard: tuple[int, int] = (1, 1)) -> None:
        self.path = Path(folder) / name_of(shard)
        self.torn = 0
        """Bytes that were cut off at the end."""
        self._lock_path = self.path.with_suffix(".lock")
        self._unsynced = threading.Event()
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        self._lock = self._lock_path.open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "unknown"
            self._lock.close()
            raise JournalError(
                f"{self.path}: another runner is at work on it ({holder}); wait for it, or stop it"
            ) from error
        self._lock.truncate(0)
        self._lock.write(f"process {os.getpid()} on {os.uname().nodename}")
        self._lock.flush()
        self.torn = cut_torn_line(self.path)
        self._file = self.path.open("ab", buffering=0)
        self._syncer = threading.Thread(target=self._sync, name="journal", daemon=True)
        self._syncer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._unsynced.set()
        self._syncer.join()
        os.fsync(self._file.fileno())
        self._file.close()
        self._lock.truncate(0)
        self._lock.close()  # lets go of the lock

    def write(self, line: dict[str, Any]) -> None:
        """One line, handed to the operating system before this returns: from here on a crash of ours cannot lose it."""
        said = {"v": VERSION, **line}
        self._file.write((as_json(said) + "\n").encode())
        self._unsynced.set()

    def read_at(self, offset: int) -> dict[str, Any]:
        """The line that begins there."""
        with self.path.open("rb") as file:
            file.seek(offset)
            said: dict[str, Any] = json.loads(file.readline())
        return said

    def _sync(self) -> None:
        while not self._closing.is_set():
            self._unsynced.wait()
            self._unsynced.clear()
            os.fsync(self._file.fileno())
            self._closing.wait(SYNC_EVERY)


def as_json(said: Any) -> str:
    """JSON that can be encoded: half of a character, which some servers send, is kept as an escape."""
    text = json.dumps(said, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(said)
    return text


def cut_torn_line(path: Path) -> int:
    """Take away a last line that does not end, and say how many bytes that was."""
    if not path.exists():
        return 0
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        position, block = size, 1 << 16
        while position > 0:
            start = max(0, position - block)
            file.seek(start)
            newline = file.read(position - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                file.truncate(end)
                return size - end
            position = start
        file.truncate(0)
        return size


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines of a journal with the byte at which each begins; a torn last line is passed over.

    Raises JournalError for any other line that is not an object.
    """
    if not path.exists():
        return
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                said = json.loads(line)
                if not isinstance(said, dict):
                    raise ValueError("not an object")
            except ValueError as error:
                if not line.endswith(b"\n"):
                    return
                raise JournalError(f"{path}, line {number}: {error}") from error
            yield offset, said
            offset += len(line)


def read_done(path: Path, *, retry_errors: bool = False) -> AllDone:
    """What has been done, by item. The first line that settles a turn counts.

    An answer settles its turn; so does a failure that trying again would not mend, unless `retry_errors`.
    """
    found = AllDone()
    for offset, line in read_lines(path):
        if "item_id" in line and line.get("status") in ("ok", "error"):
            found.take(offset, line, retry_errors=retry_errors)
    return found


def now() -> str:
    """For `started_at` and `finished_at`: UTC, with milliseconds."""
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03}Z"
