"""What leaves, and what automatic judges say."""

from exports.models.judges import Failure, JudgeRun, JudgeScore, JudgeVerdict
from exports.models.tokens import AccessToken

__all__ = ["AccessToken", "Failure", "JudgeRun", "JudgeScore", "JudgeVerdict"]
