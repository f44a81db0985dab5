"""What automatic judges said elsewhere, as `projects.loading` takes it."""

from exports.loading.arena_hard import ArenaHardJudgmentFormat
from exports.loading.fast_chat import PairJudgmentFormat, SingleJudgmentFormat
from exports.loading.judge_scores import JudgeScoreStore
from exports.loading.judged import Judged
from exports.loading.llm_jp_judge import EvaluationFormat
from exports.loading.rows import JudgeScoreRow, VerdictRow
from exports.loading.rule import score_choices
from exports.loading.verdicts import VerdictStore
from exports.loading.wildbench import WildBenchJudgmentFormat
from projects.loading import registry


def register() -> None:
    """Make judge scores known to the loader; called when the app starts."""
    for row_kind in (JudgeScoreRow, VerdictRow):
        registry.register_row_kind(row_kind)
    for form in (
        SingleJudgmentFormat,
        PairJudgmentFormat,
        ArenaHardJudgmentFormat,
        WildBenchJudgmentFormat,
        EvaluationFormat,
    ):
        registry.register_format(form)
    for store in (JudgeScoreStore, VerdictStore):
        registry.register_store(store)
    registry.register_bundle_kind(Judged)
    registry.register_finisher(score_choices)
