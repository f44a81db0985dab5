"""The journal: what has been answered, kept so that a crash loses no more than what was on its way.

`results-<k>-of-<n>.jsonl` holds a line per finished turn or failed attempt, each flushed at once and synced to the disk each
second. Nothing in it is ever changed. Whoever starts again reads it, cuts off a last line that was torn in two, and knows
what is left to do. A lock keeps a second runner off the same shard.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from offline.bundle import KEY
from offline.places import Places

VERSION = 1
SYNC_EVERY = 1.0  # seconds
BLOCK = 1 << 16  # bytes


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

    Nearly always it is where the first line of a turn stands, which settled it. So that is what is kept of most, and `Done` is
    made of it when somebody asks; of the few others, more.
    """

    def __init__(self) -> None:
        self._settled = Places()
        self._more: dict[str, Done] = {}

    def take(self, offset: int, line: dict[str, Any], *, retry_errors: bool) -> None:
        key, turn = line["item_id"], line["turn"]
        done = self._more.get(key)
        if (
            not line.get("attempt")
            and _settles(line)
            and (done is None or turn not in done.attempts)
            and self._settled.add(key, turn, offset)
        ):
            return
        if done is None:
            done = self._more[key] = Done()
        done.attempts[turn] = max(done.attempts.get(turn, 0), line.get("attempt", 0) + 1)
        if line["status"] == "error":
            if not (line["error"]["retryable"] or retry_errors or turn in done.settled):
                done.failed.add(turn)
        elif _settles(line):
            done.settled.setdefault(turn, offset)
            done.failed.discard(turn)
        else:
            done.answered[turn] = done.answered.get(turn, 0) + 1

    def of(self, item_id: str, turns: Iterable[int]) -> Done:
        """What is known of the item and these turns of it; of an unknown one, nothing is done."""
        more = self._more.get(item_id) or Done()
        done = Done(dict(more.settled), set(more.failed), dict(more.attempts), dict(more.answered))
        for turn in turns:
            offset = self._settled.get(item_id, turn)
            if offset is not None:  # it was the first line of the turn, so nothing that came later changes it
                done.settled[turn] = offset
                done.failed.discard(turn)
                done.attempts.setdefault(turn, 1)
        return done


def _settles(line: dict[str, Any]) -> bool:
    return line["status"] == "ok" and line.get("settled", True) is True


def name_of(shard: tuple[int, int]) -> str:
    return f"results-{shard[0]}-of-{shard[1]}.jsonl"


def check_shards(folder: Path, n: int) -> None:
    """Another number of shards would ask for everything once more. Raises JournalError."""
    for path in sorted(folder.glob("results-*-of-*.jsonl")):
        of = path.stem.rpartition("-")[2]
        if of.isdigit() and int(of) != n and path.stat().st_size:
            raise JournalError(
                f"{folder}: was begun in {int(of)} shard{'s' if int(of) > 1 else ''} ({path.name}), so it is finished in as many:"
                f" --shard K/{int(of)}. To divide what is left in another way, finish it first, or copy the bundle’s two files to"
                " a new folder"
            )


class Journal:
    """The journal of one shard, open for writing. Use it in a `with`."""

    def __init__(self, folder: Path, shard: tuple[int, int] = (1, 1)) -> None:
        self.path = Path(folder) / name_of(shard)
        self.torn = 0
        """Bytes that were cut off at the end."""
        self.end = 0
        """Where the next line begins."""
        self._lock_path = self.path.with_suffix(".lock")
        self._unsynced = threading.Event()
        self._closing = threading.Event()
        self._unsafe: OSError | None = None
        """Why what was written may not be on the disk."""

    def __enter__(self) -> Self:
        self._lock = self._lock_path.open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "unknown"
            self._lock.close()
            if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                raise JournalError(
                    f"{self.path}: another runner is at work on it ({holder}); wait for it, or stop it"
                ) from error
            raise JournalError(
                f"{self._lock_path}: this file system does not lock files ({error.strerror}), so nothing keeps a second runner"
                " off; put the bundle on one that does"
            ) from error
        try:
            self._lock.truncate(0)
            self._lock.write(f"process {os.getpid()} on {os.uname().nodename}")
            self._lock.flush()
            self.torn = cut_torn_line(self.path)
            self._file = self.path.open("ab", buffering=0)
        except OSError:
            self._lock.close()
            raise
        self.end = os.fstat(self._file.fileno()).st_size
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
        try:
            os.fsync(self._file.fileno())
        except OSError as unsynced:
            self._unsafe = self._unsafe or unsynced
        finally:
            self._file.close()
            with contextlib.suppress(OSError):
                self._lock.truncate(0)
            with contextlib.suppress(OSError):
                self._lock.close()  # lets go of the lock
        if self._unsafe and error is None:
            raise self._cannot_be_written(self._unsafe)

    def write(self, line: dict[str, Any]) -> None:
        """One line, handed to the operating system before this returns: from here on a crash of ours cannot lose it.

        Raises JournalError where it cannot be written; then nothing of it is.
        """
        if self._unsafe:
            raise self._cannot_be_written(self._unsafe)
        said = {"v": VERSION, **line}
        data = memoryview((as_json(said) + "\n").encode())
        written = 0
        try:
            while written < len(data):  # a disk that gets full takes a part
                written += self._file.write(data[written:]) or 0
        except OSError as error:
            try:
                os.ftruncate(self._file.fileno(), self.end)
            except OSError:  # then nothing may follow on half a line
                self._unsafe = error
            raise self._cannot_be_written(error) from error
        self.end += written
        self._unsynced.set()

    def _cannot_be_written(self, error: OSError) -> JournalError:
        return JournalError(
            f"{self.path}: cannot be written ({error.strerror}); what it holds is kept. Make room, or put the bundle elsewhere,"
            " and run the same command again"
        )

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
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                self._unsafe = error
                return
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
    """Take away a last line that does not end, and say how many bytes that was. One that lacks its end alone gets it."""
    if not path.exists():
        return 0
    with path.open("rb+") as file:
        size = position = file.seek(0, os.SEEK_END)
        end = 0
        while position > 0:
            start = max(0, position - BLOCK)
            file.seek(start)
            newline = file.read(position - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            position = start
        file.seek(end)
        if end < size and _is_whole(file.read()):
            file.write(b"\n")
            return 0
        file.truncate(end)
        return size - end


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines of a journal with the byte at which each begins; a torn last line is passed over.

    Raises JournalError for any other line that is not an object.
    """
    for _number, offset, line in _numbered(path):
        yield offset, line


def read_attempts(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Of the lines, those that say what came of asking. Raises JournalError for one that does not say it as it should."""
    for number, offset, line in _numbered(path):
        if "item_id" in line and line.get("status") in ("ok", "error"):
            if wrong := _what_is_wrong(line):
                raise JournalError(
                    f"{path}, line {number}: {wrong}. Take the line out, and its turn is asked for again"
                )
            yield offset, line


def _numbered(path: Path) -> Iterator[tuple[int, int, dict[str, Any]]]:
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
                raise JournalError(
                    f"{path}, line {number}: {error}. Take the line out, and its turn is asked for again"
                ) from error
            yield number, offset, said
            offset += len(line)


def _what_is_wrong(line: dict[str, Any]) -> str:
    """With the line, in words; empty where nothing is."""
    version = line.get("v", VERSION)
    if version != VERSION:
        return f"v: {version!r}, and this version reads {VERSION}"
    if not isinstance(line["item_id"], str) or not KEY.fullmatch(line["item_id"]):
        return "item_id: not 32 hexadecimal digits"
    for name, least in (("turn", 1), ("attempt", 0)):
        value = line.get(name, 0)
        if not isinstance(value, int) or value < least:
            return f"{name}: not a whole number from {least}"
    if line["status"] == "ok":
        return "" if isinstance(line.get("content"), str) else "content: not a text"
    error = line.get("error")
    if not isinstance(error, dict) or not {"type", "retryable"} <= error.keys():
        return "error: not an object with type and retryable"
    return ""


def read_done(path: Path, *, retry_errors: bool = False) -> AllDone:
    """What has been done, by item. The first line that settles a turn counts, so a line that is there twice does no harm.

    An answer settles its turn; so does a failure that trying again would not mend, unless `retry_errors`.
    """
    found = AllDone()
    for offset, line in read_attempts(path):
        found.take(offset, line, retry_errors=retry_errors)
    return found


def now() -> str:
    """For `started_at` and `finished_at`: UTC, with milliseconds."""
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03}Z"
