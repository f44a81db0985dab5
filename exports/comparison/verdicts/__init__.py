"""Verdicts of judges on pairs of responses, by themselves and beside people."""
