"""The tables that a project is taken away in, by name."""

from exports.tables.about import DATA, AboutTable
from exports.tables.agreement import FIGURES_OF_AN_AXIS, AgreementTable
from exports.tables.asked import AxisTable, PromptTable, ResponseTable
from exports.tables.base import ExportTable
from exports.tables.judges import JudgeScoreTable, JudgeVerdictTable
from exports.tables.ratings import LongTable, WideTable

_ALL: tuple[type[ExportTable], ...] = (*DATA, AboutTable)
TABLES = {table.name: table for table in _ALL}

__all__ = [
    "FIGURES_OF_AN_AXIS",
    "TABLES",
    "AboutTable",
    "AgreementTable",
    "AxisTable",
    "ExportTable",
    "JudgeScoreTable",
    "JudgeVerdictTable",
    "LongTable",
    "PromptTable",
    "ResponseTable",
    "WideTable",
]
