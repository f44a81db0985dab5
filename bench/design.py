"""How long assignments take, and how balanced they are: `python -m bench.design`."""

import argparse
import time

import numpy as np

from stats.design import balanced_assignment, health, side_by_side_assignment
from stats.design.components import variance_components
from stats.design.extra import Rule, simulate

STUDIES = [(4_840, 2, 53, 10, 1.0), (100_000, 3, 500, 10, 60.0)]
"""Items, raters per item, raters, models, and the seconds that it may take."""


def assign(items: int, per_item: int, raters: int, models: int) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    seats = balanced_assignment(
        item_models=np.arange(items) % models,
        raters_per_item=per_item,
        n_raters=raters,
        rng=np.random.default_rng(1),
    )
    return time.perf_counter() - start, seats


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    for items, per_item, raters, models, most in STUDIES:
        took, seats = assign(items, per_item, raters, models)
        found = health(seats=seats, item_models=np.arange(items) % models, n_raters=raters)
        print(
            f"{items:,} items x {per_item} x {raters} raters: {took:.2f} s (at most {most:g}); loads {found.load}, "
            f"items of a model {found.rater_model}, pairs share {found.shared}, without any {found.empty_pairs}, "
            f"connectivity {found.connectivity:.3f}"
        )
    start = time.perf_counter()
    side_by_side_assignment(
        item_prompts=np.repeat(np.arange(484), 10),
        item_models=np.tile(np.arange(10), 484),
        raters_per_item=2,
        n_raters=53,
        rng=np.random.default_rng(1),
    )
    print(f"side by side, 484 prompts x 10: {time.perf_counter() - start:.2f} s")
    rng = np.random.default_rng(1)
    _, seats = assign(4_840, 2, 53, 10)
    item = np.repeat(np.arange(4_840), 2)
    start = time.perf_counter()
    variance_components(
        prompt=item // 10, model=item % 10, rater=seats.ravel(), value=rng.integers(1, 6, item.size)
    )
    print(f"variance components of 9,680 scores, with jackknives: {time.perf_counter() - start:.3f} s")
    start = time.perf_counter()
    simulate(Rule(distance=2), rng=rng)
    print(f"a rule for extra raters on 20,000 simulated items: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
