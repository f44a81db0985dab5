"""Answer the prompts of a bundle: `python -m offline.generate BUNDLE [--base-url URL …] [--shard K/N]`.

Run the same command again to go on where it stopped. Exit status: 0 all is done, 75 stopped and to be run again, 1 something
failed for good (the summary says what).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

from offline import provenance, runs
from offline.backends import Backend, Refusal, choice
from offline.bundle import BundleError, Kind, Manifest
from offline.flags import from_one, from_zero, seconds, shard_of
from offline.journal import Journal, JournalError, check_shards
from offline.progress import Progress
from offline.runner import FAILED, RESUMABLE, AsItIs, Options, Reading, Runner


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__ or "").parse_args(arguments)
    return leave(run_bundle(options, kind="generate", reading=lambda manifest: AsItIs()))


def parser(about: str) -> argparse.ArgumentParser:
    """Flags that generating and judging share."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the folder that the platform wrote")
    parser.add_argument(
        "--base-url", action="append", metavar="URL", help="of a server, as http://127.0.0.1:8000/v1; several share the work"
        " (also OPENAI_BASE_URL; the key is read from OPENAI_API_KEY)",
    )  # fmt: skip
    parser.add_argument(
        "--shard", type=shard_of, default=(1, 1), metavar="K/N", help="only this part of the bundle"
    )
    parser.add_argument(
        "--in-flight",
        type=from_one,
        default=Options.in_flight,
        metavar="N",
        help="conversations at once (%(default)s)",
    )
    parser.add_argument(
        "--retries",
        type=from_zero,
        default=Options.retries,
        metavar="N",
        help="of a request that failed for no fault of its own (%(default)s)",
    )
    parser.add_argument(
        "--timeout", type=seconds, default=600, metavar="SECONDS", help="for one answer (%(default)s)"
    )
    parser.add_argument(
        "--grace",
        type=seconds,
        default=Options.grace,
        metavar="SECONDS",
        help="for answers on their way when stopped (%(default)s)",
    )
    parser.add_argument("--retry-errors", action="store_true", help="try again what failed for good before")
    choice.add_flags(parser)
    return parser


def run_bundle(
    options: argparse.Namespace,
    *,
    kind: Kind,
    reading: Callable[[Manifest], Reading],
    backend: Backend | None = None,
) -> int:
    """Work on one shard of a bundle; the exit status. What is wrong is said in a sentence."""
    try:
        manifest = Manifest.read(options.bundle)
        if manifest.kind != kind:
            other = "offline.judge" if manifest.kind == "judge" else "offline.generate"
            raise BundleError(f"{options.bundle}: this bundle is for `python -m {other}`")
        if backend is None and options.backend == "batch-file":
            from offline import batch_file

            return batch_file.run(options, manifest, reading(manifest))
        chosen = backend or choice.choose(options, manifest)
        return asyncio.run(_run(options, manifest, reading(manifest), chosen))
    except (BundleError, JournalError, Refusal, ValueError, OSError) as error:
        say(str(error))
        return FAILED
    except KeyboardInterrupt:
        return RESUMABLE


async def _run(options: argparse.Namespace, manifest: Manifest, reading: Reading, backend: Backend) -> int:
    folder, (k, n) = options.bundle, options.shard
    runs.check_same(folder, manifest)
    check_shards(folder, n)
    name = "progress.json" if n == 1 else f"progress-{k}-of-{n}.json"
    with (
        Journal(folder, options.shard) as journal,
        Progress(folder / name, name=f"{manifest.kind} {k}/{n}") as progress,
    ):
        if journal.torn:
            say(f"{journal.path}: a torn last line of {journal.torn} bytes was cut off")
        runner = Runner(
            folder, manifest, journal, backend, reading=reading, shard=options.shard, tell=progress.tell,
            options=Options(
                in_flight=options.in_flight, retries=options.retries, grace=options.grace, retry_errors=options.retry_errors
            ),
        )  # fmt: skip
        with stopped_by_signals(runner):
            left = await runner.prepare()
            try:
                if left:  # else nobody is asked, and no server started
                    said = await _unless_stopped(backend.start(), runner)
                    if said is None:
                        say("Stopped before it began. Run the same command again.")
                        progress.ended(RESUMABLE, runner.why)
                        return RESUMABLE
                    said |= await asyncio.to_thread(provenance.of_node, manifest, options.model_path)
                    runs.begin(folder, manifest, run_id=runner.run_id, shard=options.shard, backend=said)
                status = await runner.run()
            finally:
                await backend.close()
        progress.tell(runner.counts)
        progress.ended(status, runner.why)
        if left:
            runs.end(folder, run_id=runner.run_id, status=status, why=runner.why, counts=runner.counts)
    say(summary(runner, status))
    return status


@contextlib.contextmanager
def stopped_by_signals(runner: Runner) -> Iterator[None]:
    """From here on SIGTERM and SIGINT end the run in order, whatever it is at."""
    loop, names = asyncio.get_running_loop(), (signal.SIGTERM, signal.SIGINT)
    for name in names:
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
            loop.add_signal_handler(name, runner.stop, f"stopped by {name.name}")
    try:
        yield
    finally:
        for name in names:
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(name)


async def _unless_stopped(
    starting: Coroutine[Any, Any, dict[str, Any]], runner: Runner
) -> dict[str, Any] | None:
    """What a back end says of itself when it is ready, which takes a server minutes; None if told to stop before."""
    start, stop = asyncio.ensure_future(starting), asyncio.ensure_future(runner.stopping.wait())
    try:
        await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
        return start.result() if start.done() else None
    finally:
        stop.cancel()
        if not start.done():
            start.cancel()
            await asyncio.wait({start})


def say(words: str) -> None:
    """To whoever still listens."""
    with contextlib.suppress(OSError):
        print(words, file=sys.stderr, flush=True)


def leave(status: int) -> int:
    """The exit status; where vLLM is still computing in this process what nobody waits for, at once."""
    in_process = sys.modules.get("offline.backends.in_process")
    return in_process.leave(status) if in_process else status


def summary(runner: Runner, status: int) -> str:
    counts = runner.counts
    said = f"{counts.before + counts.done:,} of {counts.total:,} turns are answered"
    if counts.before:
        said += f" ({counts.before:,} of them before)"
    for number, words in [
        (counts.truncated, "cut off at the longest length"),
        (counts.unread, "answers that could not be read"),
        (counts.failed, "failed for good"),
        (counts.blocked, "not asked, because the turn before failed"),
        (counts.put_off, "given up for now"),
    ]:
        if number:
            said += f"; {number:,} {words}"
    if runner.why:
        said += f". It ended early: {runner.why}"
    if status == RESUMABLE:
        said += ". Run the same command again to go on"
    elif status == FAILED:
        said += f". What failed and why stands in {runner.journal.path.name}; --retry-errors tries it again"
    return said + "."


if __name__ == "__main__":
    sys.exit(main())
