"""Ratings that were given elsewhere, as `projects.loading` takes them."""

from annotation.loading.ratings import RatingStore
from annotation.loading.rows import RatingRow
from projects.loading import registry


def register() -> None:
    """Make ratings known to the loader; called when the app starts."""
    registry.register_row_kind(RatingRow)
    registry.register_store(RatingStore)
