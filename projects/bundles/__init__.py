"""Bundles for a GPU node: what a model is asked, and with which settings. `offline/` works through them."""

from projects.bundles.answering import Answering
from projects.bundles.errors import NotPrepared
from projects.bundles.generation import Generation, prepare_generation
from projects.bundles.selection import PromptFilter
from projects.bundles.written import Watch, Written

__all__ = [
    "Answering",
    "Generation",
    "NotPrepared",
    "PromptFilter",
    "Watch",
    "Written",
    "prepare_generation",
]
