"""Working through a bundle: many conversations at once, each answer kept as soon as it is there.

A conversation is one coroutine: turn 2 goes out as soon as turn 1 is in the journal, built on the turn 1 that is in the
journal. Only a window of conversations is in memory, whatever the size of the bundle.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from offline.backends import Answer, Backend, Refusal
from offline.bundle import (
    ITEMS,
    MANIFEST,
    BundleError,
    Item,
    Manifest,
    canonical,
    hash_of_file,
    item_key,
    read_items,
    seed_of,
    sha256,
)
from offline.conversation import messages, request, turns_of
from offline.journal import AllDone, Done, Journal, JournalError, now, read_done

BUSY = ("http_429", "http_503")
"""The server has too much to do. While it answers others, that costs no retries."""
NOT_THE_REQUEST = ("http_401", "http_403", "http_404")
"""Whoever asks, and for which model: it would be the same for every request."""

COMPLETE, RESUMABLE, FAILED = 0, 75, 1
"""Exit statuses: all is done; stopped, run the same command again; something failed for good."""


@dataclass(frozen=True)
class Options:
    in_flight: int = 256
    """Conversations at once. A vLLM server is kept full by two to four times its `max_num_seqs`."""
    retries: int = 8
    """Of a request that failed for no fault of its own."""
    first_wait: float = 1.0
    longest_wait: float = 60.0
    """Seconds before the first retry, doubled each time up to the longest, a random part of it left out."""
    longest_asked: float = 3600.0
    """Seconds that a server may ask us to wait."""
    grace: float = 30.0
    """Seconds that answers on their way are waited for when the run is stopped."""
    hopeless: int = 20
    """So many failures without a single answer, and the run ends: it is not the requests that are wrong. Later on, so many in a
    row that speak of the server, as when it is gone or its key is no longer taken."""
    retry_errors: bool = False
    """Try again what failed for good before."""


class Reading(Protocol):
    """What an answer is read for."""

    max_answers: int
    """Answers to ask for, each with another seed, until one can be read."""

    def read(self, item: Item, answer: Answer) -> tuple[dict[str, Any], bool]:
        """Fields for the journal's line, and whether the answer could be read."""


class AsItIs:
    """The answer is what was asked for."""

    max_answers = 1

    def read(self, item: Item, answer: Answer) -> tuple[dict[str, Any], bool]:
        return {}, True


@dataclass
class Counts:
    """Of turns, over the whole shard."""

    total: int = 0
    before: int = 0
    """Settled by earlier runs."""
    done: int = 0
    """Settled by this one."""
    failed: int = 0
    """Failed for good, now or before."""
    blocked: int = 0
    """Not asked, because a turn before them failed."""
    put_off: int = 0
    """Given up for now: the next run tries again."""
    unread: int = 0
    """Answers that could not be read."""
    truncated: int = 0
    attempts: int = 0
    tokens: int = 0
    """Completion tokens."""

    @property
    def left(self) -> int:
        return self.total - self.before - self.done - self.failed - self.blocked


class _Stopped(Exception):
    pass


@dataclass
class Runner:
    """One run over one shard of a bundle; the journal is open."""

    folder: Path
    manifest: Manifest
    journal: Journal
    backend: Backend
    reading: Reading = field(default_factory=AsItIs)
    shard: tuple[int, int] = (1, 1)
    options: Options = field(default_factory=Options)
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    tell: Callable[[Counts], None] = lambda counts: None
    """Called after each turn."""
    counts: Counts = field(default_factory=Counts)
    why: str = ""
    """Why it ended, where that was not the end of the work."""

    def __post_init__(self) -> None:
        self._stopping, self._hurry = asyncio.Event(), asyncio.Event()
        self._rng = random.Random()  # noqa: S311 - only for waiting times
        self._done: AllDone | None = None
        self._answers = self._failures = self._in_a_row = 0
        self._fatal = False
        self._mistake: Exception | None = None

    def stop(self, why: str) -> None:
        """What is on its way may still arrive; asked a second time, it is not waited for."""
        if self._stopping.is_set():
            self._hurry.set()
        self.why = self.why or why
        self._stopping.set()

    @property
    def stopping(self) -> asyncio.Event:
        return self._stopping

    async def prepare(self) -> bool:
        """Read what has been done; whether anything is left to ask. Raises BundleError, JournalError."""
        self._done = await asyncio.to_thread(
            read_done, self.journal.path, retry_errors=self.options.retry_errors
        )
        self.counts.total = await asyncio.to_thread(check_items, self.folder, self.manifest, self.shard)
        return await asyncio.to_thread(self._anything_left, self._done)

    def _anything_left(self, done: AllDone) -> bool:
        for item in read_items(self.folder, shard=self.shard):
            turns = turns_of(item)
            state = done.of(item.item_id, turns)
            unsettled = next((turn for turn in turns if turn not in state.settled), None)
            if unsettled is not None and unsettled not in state.failed:
                return True
            if self._stopping.is_set():
                return True
        return False

    async def run(self) -> int:
        """Work until nothing is left or somebody stops it; the exit status."""
        if self._done is None:
            await self.prepare()
        assert self._done is not None
        await self._feed(self._done)
        if self._mistake:
            raise self._mistake
        if self._fatal:
            return FAILED
        if self._stopping.is_set():
            return RESUMABLE
        counts = self.counts
        return FAILED if counts.failed or counts.blocked or counts.put_off or counts.left else COMPLETE

    async def _feed(self, done: AllDone) -> None:
        window = asyncio.Semaphore(self.options.in_flight)
        tasks: set[asyncio.Task[None]] = set()
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            for number, item in enumerate(read_items(self.folder, shard=self.shard)):
                if number % 1000 == 0:
                    await asyncio.sleep(0)
                    self.tell(self.counts)
                if self._stopping.is_set():
                    break
                turns = turns_of(item)
                state = done.of(item.item_id, turns)
                if all(turn in state.settled for turn in turns):
                    self.counts.before += len(turns)
                    continue
                if window.locked():
                    room = asyncio.ensure_future(window.acquire())
                    await asyncio.wait({room, stopping}, return_when=asyncio.FIRST_COMPLETED)
                    if not room.done():
                        room.cancel()
                else:
                    await window.acquire()
                if self._stopping.is_set():
                    break
                task = asyncio.create_task(self._converse(item, state, turns))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                task.add_done_callback(lambda _: window.release())
            finished = asyncio.ensure_future(_all(tasks))
            await asyncio.wait({finished, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not finished.done():  # stopped: what is on its way may still arrive
                hurry = asyncio.ensure_future(self._hurry.wait())
                await asyncio.wait(
                    {finished, hurry}, timeout=self.options.grace, return_when=asyncio.FIRST_COMPLETED
                )
                hurry.cancel()
                finished.cancel()
        finally:
            stopping.cancel()
            left = set(tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _converse(self, item: Item, state: Done, turns: dict[int, int]) -> None:
        """One conversation, from where the journal leaves off."""
        try:
            said: dict[int, str] = {}
            for turn, place in turns.items():
                if turn in state.settled:
                    said[place] = self._kept(item, turn, state.settled[turn])
                    self.counts.before += 1
                    continue
                content = None
                if turn not in state.failed:
                    content = await self._answer(item, turn, messages(item, place, said), state)
                else:
                    self.counts.failed += 1
                if content is None:
                    left = [later for later in turns if later > turn]
                    self.counts.blocked += len(left)
                    self.tell(self.counts)
                    return
                said[place] = content
        except _Stopped:
            return
        except (JournalError, OSError) as error:  # a full disk, as a rule: nothing good comes of going on
            self._end(str(error))
        except Exception as error:  # a mistake of ours
            self._mistake = self._mistake or error
            self._end(f"{type(error).__name__}: {error}")

    def _kept(self, item: Item, turn: int, offset: int) -> str:
        line = self.journal.read_at(offset)
        if (line.get("item_id"), line.get("turn")) != (item.item_id, turn):
            raise JournalError(f"{self.journal.path}: has been changed while it was being read")
        return str(line["content"])

    def _end(self, why: str) -> None:
        """Not to be gone on with as it is."""
        self._fatal = True
        self.stop(why)

    async def _answer(self, item: Item, turn: int, asked: list[dict[str, str]], state: Done) -> str | None:
        """The answer to one turn, in the journal; None where there is none for good or for now."""
        attempt, answered = state.attempts.get(turn, 0), state.answered.get(turn, 0)
        tries = waits = 0
        answers_of_all = self._answers
        while True:
            if self._stopping.is_set():
                raise _Stopped
            seed = seed_of(self.manifest.seed["base"], item, turn=turn, attempt=answered)
            body = request(self.manifest, item, asked, seed)
            line: dict[str, Any] = {
                "job_id": self.manifest.job_id,
                "run_id": self.run_id,
                "item_id": item.item_id,
                "custom_id": f"{item.item_id}-{turn}",
                "prompt_id": item.prompt_id,
                "turn": turn,
                "attempt": attempt,
                "seed": seed,
                "request_sha256": sha256(canonical(body)),
                "started_at": now(),
            }
            self.counts.attempts += 1
            attempt += 1
            try:
                answer = await self.backend.answer(body)
            except Refusal as refusal:
                error = {"type": refusal.kind, "message": refusal.message, "retryable": refusal.retryable}
                self.journal.write({**line, "status": "error", "error": error, "finished_at": now()})
                if refusal.fatal:
                    self._end(refusal.message[:2000])
                    raise _Stopped from None
                if not refusal.retryable:
                    self.counts.failed += 1
                    self._failed(refusal, speaks_of_the_server=refusal.kind in NOT_THE_REQUEST)
                    return None
                waits += 1
                tries += not (refusal.kind in BUSY and self._answers > answers_of_all)
                answers_of_all = self._answers
                if tries > self.options.retries:
                    self.counts.put_off += 1
                    self._failed(refusal, speaks_of_the_server=True)
                    self.tell(self.counts)
                    raise _Stopped from None
                await self._wait(waits, refusal.retry_after)
                continue
            self._answers += 1
            self._in_a_row = 0
            read, readable = self.reading.read(item, answer)
            answered += 1
            settled = readable or answered >= self.reading.max_answers
            self.journal.write(
                {
                    **line,
                    "status": "ok",
                    "settled": settled,
                    "content": answer.content,
                    "reasoning": answer.reasoning,
                    "finish_reason": answer.finish_reason,
                    "truncated": answer.truncated,
                    "usage": answer.usage,
                    "served_model": answer.served_model,
                    "system_fingerprint": answer.system_fingerprint,
                    "prompt_sha256": answer.prompt_sha256,
                    **read,
                    "finished_at": now(),
                }
            )
            self.counts.tokens += answer.completion_tokens
            self.counts.unread += not readable
            if settled:
                self.counts.truncated += answer.truncated
                self.counts.done += 1
                self.tell(self.counts)
                return answer.content

    async def _wait(self, waits: int, asked: float | None) -> None:
        """Longer each time; not all at the same moment; as long as the server asks; and not past a stop."""
        options = self.options
        seconds = min(options.longest_wait, options.first_wait * 2 ** min(waits - 1, 30))
        seconds = max(seconds * self._rng.uniform(0.5, 1), min(asked or 0, options.longest_asked))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _failed(self, refusal: Refusal, *, speaks_of_the_server: bool) -> None:
        """One more turn without an answer. Enough of them, and it is not the requests that are wrong."""
        self._failures += 1
        self._in_a_row += speaks_of_the_server
        hopeless = self.options.hopeless
        said = f"the last one: {refusal.kind}: {refusal.message[:300]}"
        if self._failures >= hopeless and not self._answers:
            self._end(f"nothing but failures so far, {said}")
        elif self._in_a_row >= hopeless:
            self._end(f"{self._in_a_row} failures in a row, {said}")


async def _all(tasks: set[asyncio.Task[None]]) -> None:
    while tasks:
        await asyncio.wait(set(tasks))


def check_items(folder: Path, manifest: Manifest, shard: tuple[int, int]) -> int:
    """The turns of the shard. Raises BundleError if the items are not those that the manifest speaks of."""
    path = folder / ITEMS
    try:
        found = hash_of_file(path)
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error
    if found != manifest.items_sha256:
        raise BundleError(f"{path}: is not the file that the manifest speaks of; copy the bundle again")
    first = next(read_items(folder), None)
    if first and item_key(manifest, first) != first.item_id:
        raise BundleError(
            f"{folder / MANIFEST}: does not say what it said when the items were written, so their keys are those of another job;"
            " put the manifest back as it was, or prepare a new bundle. Where a model lies on this node, --model-path says"
        )
    if shard == (1, 1):
        return manifest.n_turns
    return sum(len(item.answered) for item in read_items(folder, shard=shard))
