"""Batch files: requests as files for `vllm run-batch` or a batch service, and what comes back into the journal.

    python -m offline.batch_file write BUNDLE      writes BUNDLE/batch/round-1/requests-0001.jsonl, …
    vllm run-batch -i … -o BUNDLE/batch/outputs/…  somewhere, by somebody
    python -m offline.batch_file read BUNDLE       reads BUNDLE/batch/outputs/*.jsonl, in any order

Turn 2 needs turn 1, and an answer that a judge gave in no readable form is asked for again: so it goes in rounds, until
`write` finds nothing left. `python -m offline.generate BUNDLE --backend batch-file` does one reading and one writing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline import runs
from offline.backends import Answer, Refusal
from offline.backends.completion import parse_answer
from offline.bundle import BundleError, Item, Manifest, canonical, hash_of_file, read_items, seed_of, sha256
from offline.conversation import messages, request, turns_of
from offline.flags import from_one, shard_of
from offline.journal import Done, Journal, JournalError, as_json, check_shards, now, read_done
from offline.runner import (
    COMPLETE,
    FAILED,
    RESUMABLE,
    AsItIs,
    Counts,
    Reading,
    check_items,
)

URL = "/v1/chat/completions"
SHARD = 500  # requests a file: what a crash of run-batch costs

TEMPORARY = {
    "batch_expired",
    "batch_cancelled",
    "rate_limit_exceeded",
    "server_error",
    "timeout",
    "overloaded",
}


@dataclass
class Request:
    """What one turn of one conversation waits for."""

    item: Item
    turn: int
    attempt: int
    """Of the journal's lines."""
    answered: int
    """How many answers there were that could not be read: they decide the seed."""
    seed: int
    body: dict[str, Any]

    @property
    def custom_id(self) -> str:
        return custom_id(self.item.item_id, self.turn, self.answered)

    def as_json(self) -> dict[str, Any]:
        return {"custom_id": self.custom_id, "method": "POST", "url": URL, "body": self.body}


def custom_id(item_id: str, turn: int, answered: int = 0) -> str:
    return f"{item_id}-{turn}" + (f"-{answered}" if answered else "")


def next_request(
    manifest: Manifest, journal: Journal, item: Item, done: Done, counts: Counts | None = None
) -> Request | None:
    """The next turn to ask for; None where nothing is left, or a turn failed. What was done is counted."""
    said: dict[int, str] = {}
    turns = turns_of(item)
    counts = counts or Counts()
    for turn, place in turns.items():
        if turn in done.settled:
            if turn != max(turns):
                said[place] = journal.read_at(done.settled[turn])["content"]
            counts.before += 1
            continue
        if turn in done.failed:
            counts.failed += 1
            counts.blocked += sum(later > turn for later in turns)
            return None
        answered = done.answered.get(turn, 0)
        seed = seed_of(manifest.seed["base"], item, turn=turn, attempt=answered)
        body = request(manifest, item, messages(item, place, said), seed)
        return Request(item, turn, done.attempts.get(turn, 0), answered, seed, body)
    return None


def write(
    folder: Path,
    manifest: Manifest,
    journal: Journal,
    *,
    shard: tuple[int, int] = (1, 1),
    size: int = SHARD,
    retry_errors: bool = False,
) -> tuple[Path | None, int, Counts]:
    """Write what is to be asked next: the folder of the round, how many requests, and what was done before.

    A round that asks for nothing new is not written again: its folder is found. None: nothing is left to ask.
    """
    counts = Counts(total=check_items(folder, manifest, shard))
    done = read_done(journal.path, retry_errors=retry_errors)
    base = batch_folder(folder, shard)
    base.mkdir(parents=True, exist_ok=True)
    (base / "outputs").mkdir(exist_ok=True)
    fresh = base / f".writing-{uuid.uuid4().hex[:8]}"
    fresh.mkdir()
    n, digest, out = 0, hashlib.sha256(), None
    try:
        for item in read_items(folder, shard=shard):
            asked = next_request(manifest, journal, item, done.of(item.item_id, turns_of(item)), counts)
            if asked is None:
                continue
            if n % size == 0:
                if out:
                    out.close()
                out = (fresh / f"requests-{n // size + 1:04}.jsonl").open("w", encoding="utf-8")
            assert out
            line = as_json(asked.as_json()) + "\n"
            digest.update(line.encode())
            out.write(line)
            n += 1
        if out:
            out.close()
        if not n:
            return None, 0, counts
        rounds = sorted(base.glob("round-*"), key=lambda path: int(path.name.rpartition("-")[2]))
        if rounds and (rounds[-1] / "sha256").read_text() == digest.hexdigest():
            return rounds[-1], n, counts
        (fresh / "sha256").write_text(digest.hexdigest())
        return fresh.rename(base / f"round-{len(rounds) + 1}"), n, counts
    finally:
        if out:
            out.close()
        shutil.rmtree(fresh, ignore_errors=True)


@dataclass
class Read:
    """What came back."""

    answers: int = 0
    errors: int = 0
    known: int = 0
    """Answered before, or twice in the files."""
    unknown: int = 0
    """Of requests that are not this bundle's."""
    broken: int = 0
    """Lines that are no batch output."""


def read(
    folder: Path,
    manifest: Manifest,
    journal: Journal,
    reading: Reading,
    files: Iterable[Path],
    *,
    shard: tuple[int, int] = (1, 1),
    run_id: str = "",
) -> Read:
    """Put outputs into the journal. In any order, twice, or partly: what is known is passed over."""
    found = Read()
    places: dict[str, list[tuple[Path, int]]] = {}
    for path in files:
        for offset, said in output_lines(path):
            if said is None or not isinstance(said.get("custom_id"), str):
                found.broken += 1
            else:
                places.setdefault(said["custom_id"], []).append((path, offset))
    if not places:
        return found
    done = read_done(journal.path, retry_errors=True)
    wanted = {key.split("-")[0] for key in places}
    for item in read_items(folder, shard=shard):
        if item.item_id not in wanted:
            continue
        known = done.of(item.item_id, turns_of(item))
        while asked := next_request(manifest, journal, item, known):
            outputs = places.pop(asked.custom_id, None)
            if outputs is None:
                break
            chosen = _choose([_read_at(path, offset) for path, offset in outputs])
            found.known += len(outputs) - 1
            if not _record(journal, manifest, reading, asked, chosen, known, run_id):
                found.errors += 1
                break
            found.answers += 1
        for turn in turns_of(item):  # what was asked and answered before
            for answered in range(known.answered.get(turn, 0) + 1):
                found.known += len(places.pop(custom_id(item.item_id, turn, answered), ()))
    found.unknown = sum(map(len, places.values()))
    return found


def _record(
    journal: Journal,
    manifest: Manifest,
    reading: Reading,
    asked: Request,
    said: dict[str, Any],
    known: Done,
    run_id: str,
) -> bool:
    """One line, as the runner writes them; whether it is an answer."""
    line: dict[str, Any] = {
        "job_id": manifest.job_id, "run_id": run_id, "item_id": asked.item.item_id, "custom_id": f"{asked.item.item_id}-{asked.turn}",
        "prompt_id": asked.item.prompt_id, "turn": asked.turn, "attempt": asked.attempt, "seed": asked.seed,
        "request_sha256": sha256(canonical(asked.body)), "batch_request_id": response.get("request_id") if isinstance(response := said.get("response"), dict) else None,
    }  # fmt: skip
    turn = asked.turn
    known.attempts[turn] = asked.attempt + 1
    try:
        answer = answer_of(said)
    except Refusal as refusal:
        error = {"type": refusal.kind, "message": refusal.message, "retryable": refusal.retryable}
        journal.write({**line, "status": "error", "error": error, "finished_at": now()})
        return False
    fields, readable = reading.read(asked.item, answer)
    settled = readable or asked.answered + 1 >= reading.max_answers
    at = journal.end
    journal.write(
        {
            **line, "status": "ok", "settled": settled, "content": answer.content, "reasoning": answer.reasoning,
            "finish_reason": answer.finish_reason, "truncated": answer.truncated, "usage": answer.usage,
            "served_model": answer.served_model, "system_fingerprint": answer.system_fingerprint,
            "prompt_sha256": answer.prompt_sha256, **fields, "finished_at": now(),
        }
    )  # fmt: skip
    if settled:
        known.settled[turn] = at
    else:
        known.answered[turn] = asked.answered + 1
    return True


def answer_of(said: dict[str, Any]) -> Answer:
    """A line of batch output. Raises Refusal, for each of the shapes that errors come in.

    vLLM: `response` with a status and no body, and `error` either an object in an object or a bare text. OpenAI: no
    `response`, and `error` an object.
    """
    response, error = said.get("response"), said.get("error")
    status = _status(response)
    body = response.get("body") if isinstance(response, dict) else None
    if not error and status in (200, None) and isinstance(body, dict):
        return parse_answer(body)
    if not error and isinstance(body, dict):  # OpenAI: a body that holds the error
        error = body.get("error", body)
    if isinstance(error, dict) and isinstance(error.get("error"), dict):
        error = error["error"]
    message, kind = str(error or "no answer"), ""
    if isinstance(error, dict):
        message, kind = str(error.get("message") or error), str(error.get("code") or error.get("type") or "")
        if status is None and kind.isdigit():
            status = int(kind)
    if status is not None and status != 200:
        retryable = status >= 500 or status in (408, 409, 425, 429)
        raise Refusal(f"http_{status}", message[:2000], retryable=retryable)
    if isinstance(error, str):  # what vLLM says of a request that it cannot take at all
        raise Refusal("batch", message[:2000], retryable=False)
    raise Refusal(kind or "batch", message[:2000], retryable=kind in TEMPORARY or not kind)


def _status(response: Any) -> int | None:
    said = response.get("status_code") if isinstance(response, dict) else None
    if isinstance(said, str) and said.isdecimal():
        return int(said)
    return said if isinstance(said, int) else None


def _choose(outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """An answer beats an error; among equals, the first."""
    for said in outputs:
        if not said.get("error") and _status(said.get("response")) in (200, None):
            return said
    return outputs[0]


def output_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Lines of a file of outputs with the byte at which each begins; None for what is no object."""
    offset = 0
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                try:
                    said = json.loads(line)
                except ValueError:
                    said = None
                yield offset, said if isinstance(said, dict) else None
            offset += len(line)


def _read_at(path: Path, offset: int) -> dict[str, Any]:
    with path.open("rb") as file:
        file.seek(offset)
        said: dict[str, Any] = json.loads(file.readline())
    return said


def batch_folder(folder: Path, shard: tuple[int, int]) -> Path:
    return folder / ("batch" if shard[1] == 1 else f"batch-{shard[0]}-of-{shard[1]}")


def run(options: argparse.Namespace, manifest: Manifest, reading: Reading) -> int:
    """Read what came back, write what is to be asked next. 0: nothing is left; 75: it waits for outputs; 1: some failed.

    Raises BundleError, JournalError, OSError.
    """
    folder, shard = options.bundle, options.shard
    do = getattr(options, "do", "both")
    runs.check_same(folder, manifest)
    check_shards(folder, shard[1])
    run_id = str(uuid.uuid4())
    with Journal(folder, shard) as journal:
        files: list[Path] = []
        if do != "write":
            files = [Path(name) for name in options.batch_outputs] or sorted(
                (batch_folder(folder, shard) / "outputs").glob("*.json*")
            )
            files = _new(folder, files)
        if files:
            provenance = {"backend": "batch-file", "files": {path.name: hash_of_file(path) for path in files}}
            runs.begin(folder, manifest, run_id=run_id, shard=shard, backend=provenance)
            found = read(folder, manifest, journal, reading, files, shard=shard, run_id=run_id)
            print(
                f"{len(files)} files: {found.answers:,} answers, {found.errors:,} errors; {found.known:,} known before,"
                f" {found.unknown:,} not of this bundle, {found.broken:,} lines that are no batch output",
                file=sys.stderr,
            )
        if do == "read":
            path, n, counts = None, 0, _count(folder, manifest, journal, shard)
            n = counts.left
        else:
            size = getattr(options, "size", SHARD)
            path, n, counts = write(
                folder, manifest, journal, shard=shard, size=size, retry_errors=options.retry_errors
            )
        status = RESUMABLE if n else FAILED if counts.failed or counts.blocked else COMPLETE
        if files:
            runs.end(folder, run_id=run_id, status=status, why="", counts=counts)
    said = f"{counts.before:,} of {counts.total:,} turns are answered"
    if counts.failed:
        said += f"; {counts.failed:,} failed for good, {counts.blocked:,} not asked because the turn before failed"
    if path:
        said += f". {n:,} requests are in {path}. Put what comes back into {path.parent / 'outputs'}, and run this again"
    elif n:
        said += ". Write the next requests"
    print(said + ".", file=sys.stderr)
    return status


def _count(folder: Path, manifest: Manifest, journal: Journal, shard: tuple[int, int]) -> Counts:
    counts = Counts(total=check_items(folder, manifest, shard))
    done = read_done(journal.path)
    for item in read_items(folder, shard=shard):
        next_request(manifest, journal, item, done.of(item.item_id, turns_of(item)), counts)
    return counts


def _new(folder: Path, files: list[Path]) -> list[Path]:
    """Those that no run has read: errors in them would be noted twice."""
    ended, read_by = set(), {}
    for said in runs.read(folder):
        if said.get("event") == "ends":
            ended.add(said["run_id"])
        elif said.get("backend", {}).get("backend") == "batch-file":
            read_by[said["run_id"]] = said["backend"]["files"].values()
    known = {digest for run_id, digests in read_by.items() if run_id in ended for digest in digests}
    return [path for path in files if hash_of_file(path) not in known]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("do", choices=("write", "read"))
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument(
        "batch_outputs", nargs="*", metavar="FILE", help="what came back, where it is elsewhere"
    )
    parser.add_argument("--shard", type=shard_of, default=(1, 1), metavar="K/N")
    parser.add_argument(
        "--size", type=from_one, default=SHARD, metavar="N", help="requests a file (%(default)s)"
    )
    parser.add_argument(
        "--retry-errors", action="store_true", help="ask again for what failed for good before"
    )
    options = parser.parse_args(arguments)
    try:
        manifest = Manifest.read(options.bundle)
        reading: Reading = AsItIs()
        if manifest.kind == "judge":
            from offline.judging.parsing import JudgeReading

            reading = JudgeReading(manifest)
        return run(options, manifest, reading)
    except (BundleError, JournalError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
