"""Answer the prompts of a bundle: `python -m offline.generate BUNDLE [--base-url URL …] [--shard K/N]`.

Run the same command again to go on where it stopped. Exit status: 0 all is done, 75 stopped and to be run again, 1 something
failed for good (the summary says what).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from offline import runs
from offline.backends import Backend, Refusal
from offline.bundle import BundleError, Kind, Manifest
from offline.journal import Journal, JournalError
from offline.progress import Progress
from offline.runner import FAILED, RESUMABLE, AsItIs, Options, Reading, Runner


def main(arguments: Sequence[str] | None = None) -> int:
    return run_bundle(
        parser(__doc__ or "").parse_args(arguments), kind="generate", reading=lambda manifest: AsItIs()
    )


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
        type=int,
        default=Options.in_flight,
        metavar="N",
        help="conversations at once (%(default)s)",
    )
    parser.add_argument(
        "--retries",
        type=int,
        default=Options.retries,
        metavar="N",
        help="of a request that failed for no fault of its own (%(default)s)",
    )
    parser.add_argument(
        "--timeout", type=float, default=600, metavar="SECONDS", help="for one answer (%(default)s)"
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=Options.grace,
        metavar="SECONDS",
        help="for answers on their way when stopped (%(default)s)",
    )
    parser.add_argument("--retry-errors", action="store_true", help="try again what failed for good before")
    return parser


def shard_of(text: str) -> tuple[int, int]:
    try:
        k, n = (int(part) for part in text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"“{text}” is not like 3/16") from None
    if not 1 <= k <= n:
        raise argparse.ArgumentTypeError(f"“{text}”: the first number counts from 1 to the second")
    return k, n


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
        return asyncio.run(_run(options, manifest, reading(manifest), backend or openai(options)))
    except (BundleError, JournalError, Refusal, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return RESUMABLE


def openai(options: argparse.Namespace) -> Backend:
    from offline.backends.openai import OpenAIBackend, urls_from_environment

    return OpenAIBackend(
        options.base_url or urls_from_environment(),
        api_key=os.environ.get("OPENAI_API_KEY", ""),
        in_flight=options.in_flight,
        timeout=options.timeout,
    )


async def _run(options: argparse.Namespace, manifest: Manifest, reading: Reading, backend: Backend) -> int:
    folder, (k, n) = options.bundle, options.shard
    runs.check_same(folder, manifest)
    name = "progress.json" if n == 1 else f"progress-{k}-of-{n}.json"
    with (
        Journal(folder, options.shard) as journal,
        Progress(folder / name, name=f"{manifest.kind} {k}/{n}") as progress,
    ):
        if journal.torn:
            print(f"{journal.path}: a torn last line of {journal.torn} bytes was cut off", file=sys.stderr)
        runner = Runner(
            folder, manifest, journal, backend, reading=reading, shard=options.shard, tell=progress.tell,
            options=Options(
                in_flight=options.in_flight, retries=options.retries, grace=options.grace, retry_errors=options.retry_errors
            ),
        )  # fmt: skip
        try:
            runs.begin(
                folder, manifest, run_id=runner.run_id, shard=options.shard, backend=await backend.start()
            )
            status = await runner.run()
        finally:
            await backend.close()
        progress.tell(runner.counts)
        runs.end(folder, run_id=runner.run_id, status=status, why=runner.why, counts=runner.counts)
    print(summary(runner, status), file=sys.stderr)
    return status


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
