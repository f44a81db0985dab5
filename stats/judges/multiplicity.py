"""Many tests at once: p-values adjusted so that, of what is called a finding, a share of at most q is false.

Sources: Benjamini and Hochberg (1995), Controlling the false discovery rate; Benjamini and Yekutieli (2001), The
control of the false discovery rate in multiple testing under dependency.
"""

import numpy as np

from stats.arrays import Floats


def benjamini_hochberg(p: Floats) -> Floats:
    """Adjusted p-values (…, m) of m tests along the last axis; those <= q are findings.

    adjusted p_(i) = min over k >= i of p_(k) m / k. For tests that are independent or positively dependent.
    """
    return _stepped_up(p, 1.0)


def benjamini_yekutieli(p: Floats) -> Floats:
    """The same under any dependence, at the price of a factor 1 + 1/2 + … + 1/m."""
    return _stepped_up(p, float(np.sum(1 / np.arange(1, p.shape[-1] + 1))))


def _stepped_up(p: Floats, factor: float) -> Floats:
    m = p.shape[-1]
    order = np.argsort(p, axis=-1)
    stepped = np.take_along_axis(p, order, axis=-1) * (factor * m) / np.arange(1, m + 1)
    smallest = np.minimum.accumulate(stepped[..., ::-1], axis=-1)[..., ::-1].clip(max=1)
    adjusted = np.empty_like(smallest)
    np.put_along_axis(adjusted, order, smallest, axis=-1)
    return adjusted
