"""Bundles for automatic judges: what people rated, put to a judge with a preset."""

from exports.bundles.judging import Judging, prepare_judging

__all__ = ["Judging", "prepare_judging"]
