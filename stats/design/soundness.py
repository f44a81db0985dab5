"""How healthy a design is: loads, pairs that meet, and whether severities can be compared at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stats.design.assignment import NOBODY, indices

if TYPE_CHECKING:
    import scipy.sparse as sp

_DENSE = 1000
"""Up to so many raters, a dense eigenvalue problem is the quicker."""


@dataclass(frozen=True, slots=True)
class Health:
    """How well a design holds together, counting the seats that are taken."""

    n_raters: int
    """Raters with an item."""
    load: tuple[int, int]
    """Items of the least and the most busy of them."""
    rater_model: tuple[int, int]
    """The fewest and the most items of one model that one of them has."""
    n_pairs: int
    """Pairs of these raters."""
    empty_pairs: int
    """Pairs that share no item."""
    shared: tuple[int, int]
    """Items that a pair shares, at least and at most."""
    components: int
    """Groups of raters without any link between them; severities compare within a group only."""
    connectivity: float | None
    """Second eigenvalue of the normalised Laplacian of the graph of shared items: 0 if it falls
    apart, near 1 if everybody is linked with everybody; None with fewer than two raters."""

    @property
    def connected(self) -> bool:
        return self.components == 1


def health(*, seats: npt.ArrayLike, item_models: npt.ArrayLike, n_raters: int) -> Health:
    """Of `seats` (n_items, m): raters by index, `NOBODY` where a seat is empty."""
    # Here and not above: handing out seats needs none of SciPy's 50 MB.
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    table = np.asarray(seats, dtype=np.int64)
    models = indices(item_models, "item_models")
    if table.ndim != 2 or len(table) != len(models):
        raise ValueError("seats must have one row per item")
    item, _ = np.nonzero(table != NOBODY)
    rater = table[table != NOBODY]
    if rater.size and (rater.min() < 0 or rater.max() >= n_raters):
        raise ValueError("seats names a rater that there is not")
    rates = sp.csr_array((np.ones(len(item)), (rater, item)), shape=(n_raters, len(table)))
    load = np.bincount(rater, minlength=n_raters)
    busy = np.flatnonzero(load)
    if busy.size == 0:
        return Health(0, (0, 0), (0, 0), 0, 0, (0, 0), 0, None)
    wrote = sp.csr_array((np.ones(len(models)), (np.arange(len(models)), models)))
    per_model = (rates @ wrote).toarray()[busy][:, np.unique(models)]
    links = (rates @ rates.T).tolil()
    links.setdiag(0)
    links = sp.csr_array(links)[busy][:, busy]
    pairs = links.toarray()[np.triu_indices(busy.size, 1)] if busy.size > 1 else np.zeros(1)
    return Health(
        n_raters=int(busy.size),
        load=(int(load[busy].min()), int(load[busy].max())),
        rater_model=(int(per_model.min()), int(per_model.max())),
        n_pairs=busy.size * (busy.size - 1) // 2,
        empty_pairs=int((pairs == 0).sum()) if busy.size > 1 else 0,
        shared=(int(pairs.min()), int(pairs.max())),
        components=int(connected_components(links, directed=False, return_labels=False)),
        connectivity=_second_eigenvalue(links),
    )


def _second_eigenvalue(links: sp.csr_array) -> float | None:
    """Of I - D^-1/2 W D^-1/2, W the items shared and D their sums; a rater without links counts as cut off."""
    import scipy.sparse as sp
    from scipy.linalg import eigh
    from scipy.sparse.linalg import eigsh

    n = links.shape[0]
    if n < 2:
        return None
    degree = np.asarray(links.sum(axis=1)).reshape(-1)
    if (degree == 0).any():
        return 0.0
    scale = sp.dia_array((degree**-0.5, 0), shape=(n, n))
    adjacency = scale @ links @ scale
    if n <= _DENSE:
        second = float(eigh(adjacency.toarray(), eigvals_only=True, subset_by_index=[n - 2, n - 2])[0])
    else:
        start = np.ones(n) + np.arange(n) / n  # a fixed one: the same design gives the same number
        second = float(np.sort(eigsh(adjacency, k=2, which="LA", v0=start, return_eigenvectors=False))[0])
    return max(0.0, 1 - second)
