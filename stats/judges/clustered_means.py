"""Means of models over responses, and how sure they are, when responses to one prompt depend on each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class ClusteredMeans:
    """Scores of M models, added up over each of G prompts."""

    row: Ints
    """(G,) a row of each prompt: rows of one prompt are drawn together."""
    n: Floats
    """(G, M) responses."""
    s: Floats
    """(G, M) their sum."""

    @classmethod
    def of(cls, score: Floats, known: Bools, prompt: Ints) -> ClusteredMeans:
        """`score` (P, M) where `known`, `prompt` (P,). Less the mean of all, lest squares of large numbers cancel."""
        _, row, cluster = np.unique(prompt, return_index=True, return_inverse=True)
        n, s = np.zeros((2, row.size, score.shape[1]))
        np.add.at(n, cluster, known)
        np.add.at(s, cluster, np.where(known, score - np.mean(score[known]), 0))
        return cls(row, n, s)

    def means(self, weights: Floats) -> Floats:
        """(b, M) less the mean of all scores; `weights` (b, P). NaN where no response of a model was drawn."""
        drawn = weights[:, self.row]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((drawn @ self.s) / (drawn @ self.n))

    def covariances(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """Of the means: variances (b, M), covariances (b, pairs a < b), and how many prompts were drawn (b, 1).

        cov_ab = G / (G - 1) sum_c w_c e_ca e_cb / (N_a N_b), with e_ca = s_ca - n_ca mean_a.
        """
        drawn = weights[:, self.row]
        n, s, mean = self.n, self.s, self.means(weights)
        a, b = np.triu_indices(n.shape[1])
        if (n == n[:, :1]).all():  # as many responses of every model to each prompt
            sized, squares = drawn @ (n * s), drawn @ (n[:, :1] ** 2)
            across, back = sized[:, b], sized[:, a]
        else:
            across, back, squares = (
                drawn @ (one[:, a] * other[:, b]) for one, other in ((n, s), (s, n), (n, n))
            )
        units = drawn.sum(axis=1, keepdims=True)
        total = drawn @ n
        with np.errstate(invalid="ignore", divide="ignore"):
            product = drawn @ (s[:, a] * s[:, b]) - mean[:, a] * across - mean[:, b] * back
            product += mean[:, a] * mean[:, b] * squares
            covariance = units / (units - 1) * product / (total[:, a] * total[:, b])
        return covariance[:, a == b].clip(min=0), covariance[:, a != b], units
