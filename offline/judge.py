"""Judge the responses of a bundle: `python -m offline.judge BUNDLE [--base-url URL …] [--shard K/N]`.

Run the same command again to go on where it stopped. At the end it says how often the judge could not be reached and could not
be read, on each axis, and writes that to `judge-summary.json`. Exit status: 0 every response was asked about (what could not be
read has no score, and is counted), 75 stopped and to be run again, 1 something failed for good.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from offline.bundle import BundleError, Manifest
from offline.generate import leave, parser, run_bundle
from offline.journal import JournalError, name_of, read_attempts
from offline.judging.forms import Form, PresetError
from offline.judging.parsing import JudgeReading
from offline.places import Places


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__ or "").parse_args(arguments)
    status = run_bundle(options, kind="judge", reading=JudgeReading)
    try:
        manifest = Manifest.read(options.bundle)
        if manifest.kind == "judge" and (options.bundle / name_of(options.shard)).exists():
            said = summary(options.bundle, manifest, options.shard)
            write(options.bundle, options.shard, said)
            print("\n".join(lines(said)), file=sys.stderr)
    except (BundleError, JournalError, PresetError, OSError):
        pass  # said already
    return leave(status)


def summary(folder: Path, manifest: Manifest, shard: tuple[int, int] = (1, 1)) -> dict[str, Any]:
    """How often the judge failed, from the journal of a shard.

    An item whose requests all failed is an API error; one whose answers could not be read, as often as it was asked, is
    unparsed. Both are shares of the items that were asked about. An axis is at fault if it is what could not be read.
    """
    judge = manifest.judge or {}
    axes = [axis.name for axis in Form.of(judge).axes]
    errors: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    why: Counter[str] = Counter()
    asked: Counter[int] = Counter()
    at_fault, last_at_fault = Counter[str](), Counter[str]()
    unreached: set[str] = set()
    tries: dict[str, int] = {}
    settled_items = Places()
    seen: dict[str, set[int]] = {}  # attempts of items that are not settled yet
    requests = answers = 0
    for _offset, line in read_attempts(folder / name_of(shard)):
        key, attempt = line["item_id"], line.get("attempt", 0)
        if settled_items.get(key, 1) is not None or attempt in seen.get(key, ()):
            continue  # a line that is there twice, as where journals were put together
        seen.setdefault(key, set()).add(attempt)
        requests += 1
        if line["status"] == "error":
            errors[line["error"]["type"]] += 1
            unreached.add(key)
            continue
        answers += 1
        parse = line.get("parse", {})
        at_fault.update([*parse.get("axes", ())])
        if not line.get("settled", True):
            tries[key] = tries.get(key, 0) + 1
            continue
        settled_items.add(key, 1, 0)
        seen.pop(key)
        unreached.discard(key)
        asked[tries.pop(key, 0) + 1] += 1
        statuses[parse.get("status", "ok")] += 1
        if parse.get("status") == "unparsed":
            last_at_fault.update([*parse.get("axes", ())])
        if parse.get("reason"):
            why[parse["reason"]] += 1
    settled = sum(statuses.values())
    known = settled + len(unreached)
    unparsed = statuses["unparsed"]
    return {
        "job_id": manifest.job_id,
        "judge": judge.get("name"), "preset": judge.get("preset"), "preset_sha256": judge.get("preset_sha256"),
        "mode": judge.get("mode"), "shard": f"{shard[0]}/{shard[1]}",
        "items": known, "scored": statuses["ok"] + statuses["lenient"], "lenient": statuses["lenient"],
        "unparsed": unparsed, "parse_error_rate": _rate(unparsed, known),
        "api_errors": len(unreached), "api_error_rate": _rate(len(unreached), known),
        "axes": {
            axis: {
                "scored": settled - unparsed,
                "api_errors": len(unreached), "api_error_rate": _rate(len(unreached), known),
                "parse_errors": last_at_fault[axis], "parse_error_rate": _rate(last_at_fault[axis], known),
                "parse_error_rate_of_answers": _rate(at_fault[axis], answers),
            }
            for axis in axes
        },
        "requests": requests, "failed_requests": dict(errors.most_common()), "answers": answers,
        "answers_per_item": {str(n): asked[n] for n in sorted(asked)},
        "reasons": dict(why.most_common(20)),
    }  # fmt: skip


def _rate(n: int, of: int) -> float | None:
    return n / of if of else None


def write(folder: Path, shard: tuple[int, int], said: dict[str, Any]) -> Path:
    """Replaced at one stroke."""
    k, n = shard
    path = folder / ("judge-summary.json" if n == 1 else f"judge-summary-{k}-of-{n}.json")
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(said, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)
    return path


def lines(said: dict[str, Any]) -> list[str]:
    """The summary for a terminal."""
    found = [
        f"{said['judge']} ({said['preset']}): {said['scored']:,} of {said['items']:,} items have scores,"
        f" {said['lenient']:,} of them read leniently; {said['unparsed']:,} unparsed, {said['api_errors']:,} API errors"
    ]
    for axis, of in said["axes"].items():
        found.append(
            f"  {axis}: API errors {_percent(of['api_error_rate'])}, parse errors {_percent(of['parse_error_rate'])}"
            f" ({_percent(of['parse_error_rate_of_answers'])} of answers)"
        )
    found += [f"  {n:,} times: {reason}" for reason, n in list(said["reasons"].items())[:5]]
    return found


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.2f} %"


if __name__ == "__main__":
    sys.exit(main())
