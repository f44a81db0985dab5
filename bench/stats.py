"""How long the numbers take from arrays, and how much memory: `python -m bench.stats [--ratings N] [--only PART]`.

Each part in a process of its own, which reads its arrays first:

- `agreement`: N ratings (1,000,000 by default, two per item) on five axes: the histogram of each axis, all point figures
  of all axes, and 10,000 bootstrap replicates over items.
- `krippendorff`: the package of that name on the same ratings: alpha alone, without an interval, in three metrics.
  Counting the scores of each item, which it takes, is not timed.
- `judges`: 484 prompts x 10 models x 5 axes x 5 judges: all figures of each judge's agreement with people, 2,000
  resamples of prompts, in one process and in two at a time.

Times of the first two are the best and the median of several calls after the first, in milliseconds, with the first
beside them. Memory is the peak of the process, and how far it lies above the process with its data. No process uses
more than one thread. Prints one line of JSON, with the load of the machine before and after: figures of a busy machine
are upper bounds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as config sets it, before NumPy is there

import numpy as np

from stats.agreement import Interval, Method, PatternHistogram, alpha, estimate, panel
from stats.estimate import Estimate
from stats.judges.grid import Grid, Ratings
from stats.judges.panel import judge_panel

POINTS = (1, 2, 3, 4, 5)
AXES = ("relevance", "fluency", "accuracy", "detail", "overall")
REPLICATES = 10_000
CALLS = 7

PROMPTS, MODELS, RATERS, JUDGES = 484, 10, 53, 5
RESAMPLES = 2000
CORES = 2


def memory() -> float:
    """The most that this process had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work: Callable[[], Any], calls: int = CALLS) -> tuple[Any, dict[str, float]]:
    found: Any = None
    took = []
    for _ in range(calls + 1):
        start = time.perf_counter()
        found = work()
        took.append(1000 * (time.perf_counter() - start))
    first, *rest = took
    return found, {
        "best_ms": round(min(rest), 2),
        "median_ms": round(statistics.median(rest), 2),
        "first_ms": round(first, 2),
    }


# Agreement


def make_ratings(folder: Path, n: int) -> None:
    """The item of each rating (n,), in the order in which raters came by, and the ranks on each axis (axes, n)."""
    rng = np.random.default_rng(1)
    item = rng.permutation(n) // 2
    ranks = []
    for _axis in AXES:
        quality = rng.normal(size=n // 2 + 1)
        ranks.append(np.clip(np.rint(3.3 + 0.8 * (quality[item] + rng.normal(size=n))), 1, 5).astype(np.int8))
    np.save(folder / "item.npy", item)
    np.save(folder / "ranks.npy", np.array(ranks))


def ours(folder: Path) -> dict[str, Any]:
    item, ranks = np.load(folder / "item.npy"), np.load(folder / "ranks.npy")
    before = memory()
    values = [POINTS] * len(AXES)
    histograms, of_all = timed(lambda: PatternHistogram.of_axes(values=values, item=item, ranks=ranks))
    _, of_one = timed(lambda: PatternHistogram.from_ratings(values=POINTS, item=item, rank=ranks[0]))
    no_interval, items = Interval(Method.NONE), Interval(Method.ITEM_BOOTSTRAP, replicates=REPLICATES)
    rng = np.random.default_rng(1)
    panels, points = timed(lambda: [panel(one, interval=no_interval) for one in histograms])
    _, jackknife = timed(lambda: [panel(one) for one in histograms])
    _, alphas = timed(lambda: estimate(histograms[0], alpha("ordinal"), interval=items, rng=rng))
    drawn, figures = timed(lambda: panel(histograms[0], interval=items, rng=rng))
    _, all_figures = timed(lambda: [panel(one, interval=items, rng=rng) for one in histograms])
    headline = drawn.alpha["ordinal"]
    assert isinstance(headline, Estimate)
    assert headline.replicates == REPLICATES
    return {
        "histogram_of_one_axis": of_one,
        "histograms_of_all_axes": of_all,
        "patterns": len(histograms[0].counts),
        "all_point_figures_of_all_axes": points,
        "the_same_with_jackknife_intervals": jackknife,
        "bootstrap_of_ordinal_alpha": alphas,
        "bootstrap_of_all_figures_of_an_axis": figures,
        "bootstrap_of_all_figures_of_all_axes": all_figures,
        "memory_peak_mb": round(memory()),
        "memory_above_input_mb": round(memory() - before, 1),
        "alpha_ordinal": [found.alpha["ordinal"].value for found in panels],
    }


def theirs(folder: Path) -> dict[str, Any]:
    import krippendorff

    item, ranks = np.load(folder / "item.npy"), np.load(folder / "ranks.npy")
    size = 5 * (int(item.max()) + 1)
    tables = [np.bincount(item * 5 + rank - 1, minlength=size).reshape(-1, 5).astype(float) for rank in ranks]
    before = memory()

    def alphas(metric: str) -> list[float]:
        return [
            float(krippendorff.alpha(value_counts=table, value_domain=POINTS, level_of_measurement=metric))
            for table in tables
        ]

    found = {
        metric: timed(lambda metric=metric: alphas(metric), 2)
        for metric in ("nominal", "ordinal", "interval")
    }
    return {
        "alpha_of_all_axes": {metric: took for metric, (_, took) in found.items()},
        "memory_peak_mb": round(memory()),
        "memory_above_input_mb": round(memory() - before, 1),
        "alpha_ordinal": found["ordinal"][0],
    }


# Judges


def make_study(folder: Path) -> None:
    """Two of 53 raters, and every judge, on each of 484 prompts x 10 models, on five axes."""
    rng = np.random.default_rng(2)
    n = PROMPTS * MODELS
    raters = np.argsort(rng.random((n, RATERS)), axis=1)[:, :2]
    severity = 0.3 * rng.normal(size=RATERS)
    scores = np.empty((len(AXES), n, 2))
    judged = np.empty((len(AXES), JUDGES, PROMPTS, MODELS))
    for axis in range(len(AXES)):
        quality = np.linspace(-0.5, 0.5, MODELS) + 0.5 * rng.normal(size=(PROMPTS, 1))
        quality = quality + 0.55 * rng.normal(size=(PROMPTS, MODELS))
        said = 3.4 + quality.reshape(-1, 1) + severity[raters] + 0.67 * rng.normal(size=(n, 2))
        scores[axis] = np.clip(np.rint(said), 1, 5)
        noise = np.linspace(0.4, 1, JUDGES)[:, None, None] * rng.normal(size=(JUDGES, PROMPTS, MODELS))
        judged[axis] = np.clip(np.rint(3.6 + 0.8 * quality + noise), 1, 5)
    np.savez(folder / "study.npz", raters=raters, scores=scores, judged=judged)


def grid(study: Any, axis: int, judge: int) -> Grid:
    scores, raters = study["scores"][axis], study["raters"]
    row, model = np.divmod(np.repeat(np.arange(len(raters)), 2), MODELS)
    return Grid(
        human=scores.mean(axis=1).reshape(PROMPTS, MODELS),
        judge=study["judged"][axis, judge],
        prompt=np.arange(PROMPTS),
        values=np.array(POINTS, dtype=np.float64),
        ratings=Ratings(row, model, raters.ravel(), scores.ravel()),
    )


def one_panel(folder: Path, axis: int, judge: int) -> float:
    """Everything about a judge on an axis; its SPA, so that there is something to look at."""
    with np.load(folder / "study.npz") as study:
        data = grid(study, axis, judge)
    interval = Interval(Method.CLUSTER_BOOTSTRAP, replicates=RESAMPLES)
    spa = judge_panel(data, interval=interval, rng=np.random.default_rng(axis)).spa
    assert isinstance(spa, Estimate)
    assert spa.replicates == RESAMPLES
    return spa.value


def judges(folder: Path) -> dict[str, Any]:
    """Correlations, pairs, error and ceilings of each judge on each axis, with intervals over prompts."""
    before = memory()
    tasks = [(folder, axis, judge) for axis in range(len(AXES)) for judge in range(JUDGES)]
    start, worked = time.perf_counter(), time.process_time()
    found = [one_panel(*task) for task in tasks]
    alone, worked = time.perf_counter() - start, time.process_time() - worked
    with ProcessPoolExecutor(CORES) as pool:
        list(pool.map(one_panel, *zip(*tasks[:CORES], strict=True)))  # both processes have begun
        start = time.perf_counter()
        again = list(pool.map(one_panel, *zip(*tasks, strict=True)))
        together = time.perf_counter() - start
    assert again == found
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "prompts": PROMPTS,
        "models": MODELS,
        "judges": JUDGES,
        "replicates": RESAMPLES,
        "one_process_s": round(alone, 2),
        "one_process_processor_s": round(worked, 2),
        f"{CORES}_processes_s": round(together, 2),
        f"{CORES}_processes_processor_s": round(workers.ru_utime + workers.ru_stime, 2),
        "memory_peak_mb": round(memory()),
        "memory_above_input_mb": round(memory() - before, 1),
    }


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "agreement": ours,
    "krippendorff": theirs,
    "judges": judges,
}


def in_a_process(part: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.stats", "--in-process", part, "--data", str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--only", choices=PARTS, help="this part alone")
    parser.add_argument("--in-process", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_process:
        print(json.dumps(PARTS[options.in_process](options.data)))
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        make_ratings(Path(name), options.ratings)
        make_study(Path(name))
        found = {part: in_a_process(part, Path(name)) for part in PARTS if options.only in (None, part)}
    report = {"ratings": options.ratings, "axes": len(AXES), "replicates": REPLICATES, **found}
    if {"agreement", "krippendorff"} <= set(found):
        alphas = [found[part].pop("alpha_ordinal") for part in ("agreement", "krippendorff")]
        report["largest_difference_of_alpha"] = float(np.abs(np.subtract(*alphas)).max())
    print(
        json.dumps(
            report
            | {"load_average_before": round(load, 1), "load_average_after": round(os.getloadavg()[0], 1)}
        )
    )


if __name__ == "__main__":
    main()
