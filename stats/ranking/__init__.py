"""Ranking models: from battles between them (Bradley-Terry, win rates) and as WildBench does."""

from stats.ranking.battles import Battles, Verdicts
from stats.ranking.bradley_terry import Ranking, bradley_terry, fit, strongly_connected
from stats.ranking.win_rates import WinRates, against, win_rates

__all__ = [
    "Battles",
    "Ranking",
    "Verdicts",
    "WinRates",
    "against",
    "bradley_terry",
    "fit",
    "strongly_connected",
    "win_rates",
]
