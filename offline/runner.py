"""Working through a bundle: many conversations at once, each answer kept as soon as it is there.

A conversation is one coroutine: turn 2 goes out as soon as turn 1 is in the journal, built on the turn 1 that is in the
journal. Only a window of conversations is in memory, whatever the size of the bundle.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from offline.backends import Answer, Backend, Refusal
from offline.bundle import (
    ITEMS,
    BundleError,
    Item,
    Manifest,
    canonical,
    hash_of_file,
    read_items,
    seed_of,
    sha256,
)
from offline.journal import AllDone, Done, Journal, now, read_done

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
    grace: float = 30.0
    """Seconds that answers on their way are waited for when the run is stopped."""
    hopeless: int = 20
    """So many failures for good without a single answer, and the run ends: it is not the requests that are wrong."""
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
        self._stopping = asyncio.Event()
        self._rng = random.Random()  # noqa: S311 - only for waiting times
        self._answers = 0
        self._fatal = False

    def stop(self, why: str) -> None:
        self.why = self.why or why
        self._stopping.set()

    async def run(self) -> int:
        """Work until nothing is left or somebody stops it; the exit status."""
        done = await asyncio.to_thread(read_done, self.journal.path, retry_errors=self.options.retry_errors)
        self.counts.total = await asyncio.to_thread(check_items, self.folder, self.manifest, self.shard)
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(name, self.stop, f"stopped by {name.name}")
        try:
            await self._feed(done)
        finally:
            for name in (signal.SIGTERM, signal.SIGINT):
                with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                    loop.remove_signal_handler(name)
        if self._stopping.is_set() and not self._hopeless() and not self._fatal:
            return RESUMABLE
        counts = self.counts
        return FAILED if counts.failed or counts.blocked or counts.put_off or counts.left else COMPLETE

    async def _feed(self, done: AllDone) -> None:
        window = asyncio.Semaphore(self.options.in_flight)
        tasks: set[asyncio.Task[None]] = set()
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            for number, item in enumerate(read_items(self.folder, shard=self.shard)):
                state = done.pop(item.item_id)
                if all(turn in state.settled for turn in turns_of(item)):
                    self.counts.before += len(item.answered)
                    if number % 1000 == 0:
                        await asyncio.sleep(0)
                        self.tell(self.counts)
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
                task = asyncio.create_task(self._converse(item, state))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                task.add_done_callback(lambda _: window.release())
            if tasks:
                await asyncio.wait(
                    {asyncio.ensure_future(_all(tasks)), stopping}, return_when=asyncio.FIRST_COMPLETED
                )
            if tasks:  # stopped: what is on its way may still arrive
                await asyncio.wait(set(tasks), timeout=self.options.grace)
        finally:
            stopping.cancel()
            left = set(tasks)
            for task in left:
                task.cancel()
            results = await asyncio.gather(*left, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _converse(self, item: Item, state: Done) -> None:
        """One conversation, from where the journal leaves off."""
        try:
            said: dict[int, str] = {}
            turns = turns_of(item)
            for turn, place in turns.items():
                if turn in state.settled:
                    said[place] = self.journal.read_at(state.settled[turn])["content"]
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
        except Exception as error:
            # A mistake of ours, or a full disk: nothing good comes of going on.
            self.stop(f"{type(error).__name__}: {error}")
            raise

    async def _answer(self, item: Item, turn: int, asked: list[dict[str, str]], state: Done) -> str | None:
        """The answer to one turn, in the journal; None where there is none for good or for now."""
        attempt, answered = state.attempts.get(turn, 0), state.answered.get(turn, 0)
        tries = 0
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
                tries += 1
                if refusal.fatal:
                    self._fatal = True
                    self.stop(refusal.message[:2000])
                    raise _Stopped from None
                if not refusal.retryable:
                    self.counts.failed += 1
                    self._give_up_if_hopeless(refusal)
                    return None
                if tries > self.options.retries:
                    self.counts.put_off += 1
                    self._give_up_if_hopeless(refusal)
                    self.tell(self.counts)
                    raise _Stopped from None
                await self._wait(tries, refusal.retry_after)
                continue
            self._answers += 1
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
            self.counts.tokens += int(answer.usage.get("completion_tokens") or 0)
            self.counts.unread += not readable
            if settled:
                self.counts.truncated += answer.truncated
                self.counts.done += 1
                self.tell(self.counts)
                return answer.content

    async def _wait(self, tries: int, asked: float | None) -> None:
        """Longer each time; not all at the same moment; and not past a stop."""
        options = self.options
        seconds = min(options.longest_wait, options.first_wait * 2 ** (tries - 1)) * self._rng.uniform(0.5, 1)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), max(seconds, asked or 0))

    def _hopeless(self) -> bool:
        return not self._answers and self.counts.failed + self.counts.put_off >= self.options.hopeless

    def _give_up_if_hopeless(self, refusal: Refusal) -> None:
        if self._hopeless():
            self.stop(f"nothing but failures so far, the last one: {refusal.kind}: {refusal.message[:300]}")


async def _all(tasks: set[asyncio.Task[None]]) -> None:
    while tasks:
        await asyncio.wait(set(tasks))


def turns_of(item: Item) -> dict[int, int]:
    """Number of each turn to be answered, counting user turns from 1, and its place among the messages."""
    users = [place for place, turn in enumerate(item.turns) if turn["role"] == "user"]
    return {users.index(place) + 1: place for place in item.answered}


def messages(item: Item, place: int, said: dict[int, str]) -> list[dict[str, str]]:
    """What is sent: everything up to the turn at `place`, each answer behind its question, without what was thought before it."""
    sent = [{"role": "system", "content": item.system}] if item.system else []
    for at, turn in enumerate(item.turns[: place + 1]):
        sent.append({"role": turn["role"], "content": turn["content"]})
        if at in said:
            sent.append({"role": "assistant", "content": said[at]})
    return sent


def request(manifest: Manifest, item: Item, asked: list[dict[str, str]], seed: int) -> dict[str, Any]:
    """The body of a chat completion, every sampling field written out."""
    body: dict[str, Any] = {
        "model": served_name(manifest),
        "messages": asked,
        **manifest.sampling,
        **item.params,
        "seed": seed,
    }
    if not body.get("stop"):
        body.pop("stop", None)
    if manifest.chat_template:
        body["chat_template"] = manifest.chat_template["text"]
    if manifest.chat_template_kwargs:
        body["chat_template_kwargs"] = manifest.chat_template_kwargs
    for name in manifest.model.get("unsupported", ()):  # hosted servers refuse what only vLLM knows
        body.pop(name, None)
    return body


def served_name(manifest: Manifest) -> str:
    """The model's name in requests. An adapter has one of its own beside the model that it adapts."""
    model = manifest.model
    if model.get("lora"):
        return str(model.get("served_name") or model["name"])
    return str(model.get("served_name") or model.get("path") or model["name"])


def check_items(folder: Path, manifest: Manifest, shard: tuple[int, int]) -> int:
    """The turns of the shard. Raises BundleError if the items are not those that the manifest speaks of."""
    path = folder / ITEMS
    try:
        found = hash_of_file(path)
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error
    if found != manifest.items_sha256:
        raise BundleError(f"{path}: is not the file that the manifest speaks of; copy the bundle again")
    if shard == (1, 1):
        return manifest.n_turns
    return sum(len(item.answered) for item in read_items(folder, shard=shard))
