"""Loading prompts, responses and whatever other rooms register into a project.

    report = load(project=project, files=[Path("prompts.jsonl"), Path("answers/")], options=Options(na_values=("NA",)))

`load` takes all or nothing and raises NotLoaded with the report; `try_load` answers what it would do. A room that brings
records of its own registers a store, and row kinds or formats that yield them (`registry`).
"""

from projects.loading import registry
from projects.loading.bundles.checklists import ChecklistStore
from projects.loading.bundles.formats import ItemsFormat, JournalFormat, ManifestFormat, RunsFormat
from projects.loading.bundles.kinds import Generated
from projects.loading.bundles.stores import AnsweredStore, AskedStore
from projects.loading.formats.arena_hard import ArenaHardAnswerFormat, ArenaHardQuestionFormat
from projects.loading.formats.fast_chat import AnswerFormat, QuestionFormat
from projects.loading.formats.human_eval import HumanEvalFormat
from projects.loading.formats.llm_jp_judge import GenerationFormat, MetadataFormat
from projects.loading.formats.multiple_choice import MultipleChoiceFormat
from projects.loading.formats.openai_batch import OutputFormat, RequestFormat
from projects.loading.formats.rows import PromptRow, ResponseRow
from projects.loading.formats.wildbench import AlpacaEvalFormat, WildBenchFormat, WildBenchMTBenchFormat
from projects.loading.inputs import read_model_names
from projects.loading.options import Options, Source
from projects.loading.report import NotLoaded, Report
from projects.loading.service import Stopped, load, try_load
from projects.loading.stores import PromptStore, ResponseStore

for _kind in (PromptRow, ResponseRow):
    registry.register_row_kind(_kind)
for _format in (
    ManifestFormat, ItemsFormat, RunsFormat, JournalFormat, HumanEvalFormat, QuestionFormat, AnswerFormat, MultipleChoiceFormat,
    RequestFormat, OutputFormat, MetadataFormat, GenerationFormat, ArenaHardQuestionFormat, ArenaHardAnswerFormat, WildBenchFormat,
    WildBenchMTBenchFormat, AlpacaEvalFormat,
):  # fmt: skip
    registry.register_format(_format)
for _store in (AskedStore, AnsweredStore, PromptStore, ChecklistStore, ResponseStore):
    registry.register_store(_store)
registry.register_bundle_kind(Generated)

__all__ = [
    "NotLoaded",
    "Options",
    "Report",
    "Source",
    "Stopped",
    "load",
    "read_model_names",
    "registry",
    "try_load",
]
