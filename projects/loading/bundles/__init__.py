"""Bundles that came back from a GPU node: which conversation each answer belongs to, and what becomes of it."""
