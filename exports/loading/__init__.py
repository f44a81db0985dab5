"""What automatic judges said elsewhere, as `projects.loading` takes it."""

from exports.loading.judge_scores import JudgeScoreStore
from exports.loading.rows import JudgeScoreRow
from projects.loading import registry


def register() -> None:
    """Make judge scores known to the loader; called when the app starts."""
    registry.register_row_kind(JudgeScoreRow)
    registry.register_store(JudgeScoreStore)
