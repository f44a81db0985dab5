"""How far out the ends of a bootstrap interval lie."""

import numpy as np
from scipy import special


def tail(level: float, n: int) -> float:
    """The share of resamples beyond either end: a little less than (1 - level) / 2 with few units.

    Resamples of n units spread too little by a factor of sqrt((n - 1) / n), and their quantiles are
    those of a normal distribution where Student's t is due: with ten prompts a nominal 95 % interval
    covers 90 %. Hesterberg (2015), What Teachers Should Know About the Bootstrap, calls the interval
    that makes up for both the expanded percentile interval.
    """
    t = special.stdtrit(n - 1, 0.5 + level / 2)
    return float(special.ndtr(-t * np.sqrt(n / (n - 1))))
