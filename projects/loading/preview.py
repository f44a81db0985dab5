"""What files hold, before anything of them is loaded: for people to look at, and to say which column is what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

from projects.loading import registry
from projects.loading.fields import plain
from projects.loading.formats.base import Format
from projects.loading.formats.rows import RowsFormat
from projects.loading.inputs import expand
from projects.loading.loading import Loading
from projects.loading.options import Options, Source
from projects.loading.recognising import NothingFits, UnknownFormat, format_named, format_of
from projects.models import Project
from projects.tables import Column, Problem, Profile, Refused, Table, as_text, open_table, profile, quoted
from projects.tables.cells import BadCell

#: More rows than this, of all files together, are not looked at for a preview.
LOOKED_AT = 20_000
FIRST_ROWS = 5
LONGEST_CELL = 160
MOST_COLUMNS_SHOWN = 40
MOST_COUNTS = 12
TALL = 28

#: What columns are called that hold our fields, in files of labs.
CALLED = {
    "prompt_id": ("id", "question_id", "qid", "instruction_id", "番号", "設問番号", "設問id", "質問id", "問題id", "プロンプトid"),
    "prompt": ("question", "instruction", "input", "質問", "設問", "問題", "指示", "入力", "プロンプト", "質問文"),
    "response": ("answer_text", "output", "generated", "completion", "回答", "応答", "出力", "生成文", "モデル出力", "回答文"),
    "model": ("model_id", "model_name", "system", "generator", "モデル", "モデル名", "システム"),
    "rater": ("annotator", "annotator_id", "rater_id", "worker", "worker_id", "user", "評価者", "評価者id", "作業者", "アノテータ", "アノテーター"),
    "judge": ("evaluator", "ジャッジ", "自動評価器", "評価モデル"),
    "axis": ("criterion", "aspect", "metric", "観点", "評価軸", "軸", "評価項目", "項目"),
    "score": ("rating", "value", "評点", "点数", "スコア", "評価", "点"),
    "turn": ("turn_id", "ターン"),
    "comment": ("comments", "note", "コメント", "備考", "メモ"),
    "rated_at": ("timestamp", "created_at", "日時", "評価日時"),
    "source": ("dataset", "出典", "データセット"),
    "category": ("カテゴリ", "カテゴリー", "分類", "種別"),
    "tags": ("tag", "タグ"),
    "reference": ("reference_answer", "gold", "参照", "参考解答", "模範解答", "正解例"),
}  # fmt: skip

#: Fields as people choose them, what they mean beside them.
ABOUT = {
    "prompt_id": _("id of the prompt"),
    "prompt": _("the prompt’s text"),
    "prompt_2": _("the prompt’s second turn"),
    "prompt_3": _("the prompt’s third turn"),
    "turns": _("turns as a JSON list"),
    "source": _("where the prompt is from"),
    "category": _("the prompt’s category"),
    "tags": _("the prompt’s tags"),
    "reference": _("reference answer"),
    "checklist": _("what an answer should hold"),
    "options": _("choices of the prompt"),
    "answer": _("the right choice"),
    "metadata": _("anything else, as JSON"),
    "model": _("name of the model"),
    "response": _("the response’s text"),
    "response_2": _("the answer to the second turn"),
    "response_3": _("the answer to the third turn"),
    "responses": _("responses of all models, as JSON"),
    "sample": _("number of the sample, from 0"),
    "generation": _("how it was generated, as JSON"),
    "truncated": _("turns that were cut off, from 1"),
    "rater": _("who rated"),
    "rater_kind": _("“person”, “position” or “simulated”"),
    "axis": _("the axis that was rated"),
    "score": _("the score"),
    "turn": _("the turn that was rated, from 1"),
    "na_reason": _("why nobody could judge"),
    "rated_at": _("when it was rated"),
    "comment": _("the rater’s comment"),
    "purpose": _("why it was rated"),
    "occasion": _("which time the rater rated it"),
    "seconds": _("time spent, in seconds"),
    "flagged": _("whether it was flagged"),
    "batch": _("the batch it was rated in"),
    "judge": _("the automatic judge"),
    "repeat": _("which time the judge was asked"),
    "failure": _("why the judge gave no score"),
    "reason": _("what the judge said for its score"),
    "judge_prompt": _("the judge’s prompt, or its name"),
    "response_sha256": _("SHA-256 of the text that the judge saw"),
}


@dataclass
class Bar:
    """A value of a column and how often it occurs, drawn as a bar of a picture 28 high."""

    value: str
    count: int
    x: int
    y: int
    tall: int


@dataclass
class ColumnView:
    name: str
    profile: Column
    examples: list[str]
    #: The field that it holds, as said or as it seems; "" for none.
    field: str = ""
    #: Nobody said so, and its name only suggests it.
    is_suggested: bool = False

    @property
    def bar_width(self) -> int:
        return max(2, min(14, 200 // max(1, len(self.profile.distribution))))

    @property
    def bars_width(self) -> int:
        return len(self.profile.distribution) * (self.bar_width + 1)

    @property
    def bars(self) -> list[Bar]:
        """Its distribution, where it could be scores."""
        if not self.profile.looks_like_scores:
            return []
        pairs = self.profile.distribution
        most = max((count for _value, count in pairs), default=1)
        tall = [max(2, round(count * TALL / most)) for _value, count in pairs]
        return [
            Bar(value, count, at * (self.bar_width + 1), TALL - tall[at], tall[at])
            for at, (value, count) in enumerate(pairs)
        ]

    @property
    def counts(self) -> str:
        """The distribution in words, where it is short enough to read."""
        pairs = self.profile.distribution if self.profile.looks_like_scores else []
        return ", ".join(f"{value}: {count:,}" for value, count in pairs) if len(pairs) <= MOST_COUNTS else ""


@dataclass
class FileView:
    name: str
    size: int
    facts: Mapping[str, str] = field(default_factory=dict)
    format: type[Format] | None = None
    columns: list[ColumnView] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    n_rows: int = 0
    is_whole: bool = True
    is_unclear: bool = False
    #: What makes it unreadable, or of no known layout.
    problem: Problem | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def has_columns(self) -> bool:
        """Whether somebody may say which column holds what."""
        return bool(self.columns) and (self.format is None or issubclass(self.format, RowsFormat))

    @property
    def header(self) -> list[str]:
        return [column.name for column in self.columns[:MOST_COLUMNS_SHOWN]]


@dataclass
class Preview:
    files: list[FileView]
    #: Columns of all files that somebody may choose for.
    columns: list[ColumnView]
    #: What may be chosen: (field, what it means).
    fields: list[tuple[str, Any]]

    @property
    def uses(self) -> set[str]:
        """Names of the layouts that were recognised."""
        return {file.format.name for file in self.files if file.format}


def preview(*, project: Project, files: Sequence[Source], options: Options) -> Preview:
    """Look at the files; nothing is compared with the project, and nothing is written."""
    loading = Loading(project=project, options=options)
    sources = expand(files)
    most = max(FIRST_ROWS, LOOKED_AT // max(1, len(sources)))
    views = [_file(source, loading, most) for source in sources]
    columns: dict[str, ColumnView] = {}
    for view in views:
        if view.has_columns:
            for column in view.columns:
                columns.setdefault(column.name, column)
    if not options.only_columns:
        _suggest(list(columns.values()), loading)
    return Preview(views, list(columns.values()), _fields(loading))


def _file(source: Source, loading: Loading, most_rows: int) -> FileView:
    view = FileView(source.shown, source.path.stat().st_size if source.path.exists() else 0)
    options = loading.options
    try:
        table = open_table(
            source.path,
            name=source.shown,
            encoding=options.encoding,
            delimiter=options.delimiter,
            sheet=options.sheet,
        )
        view.facts = table.facts()
        found = profile(table, first=FIRST_ROWS, most_rows=most_rows)
    except Refused as refused:
        view.problem = refused.problem
        return view
    try:
        form = format_of(table, loading)
        view.format = type(form)
    except UnknownFormat as unknown:
        view.problem = unknown.problem
        view.is_unclear = isinstance(unknown, NothingFits)
    _fill(view, table, found, loading)
    return view


def _fill(view: FileView, table: Table, found: Profile, loading: Loading) -> None:
    view.n_rows = found.n_rows
    view.is_whole = found.is_whole
    view.problems = found.problems.errors
    rows_format = format_named(RowsFormat.name)
    chosen = rows_format.columns_of(table, loading)
    field_of = {chosen.by_field[name]: name for name in chosen}
    view.columns = [
        ColumnView(
            name=column.name,
            profile=column,
            examples=_examples(found, column.name),
            field=field_of.get(column.name, ""),
        )
        for column in found.columns
    ]
    view.rows = [[_shown(row.values.get(name)) for name in view.header] for row in found.first_rows]


def _examples(found: Profile, name: str) -> list[str]:
    shown = dict.fromkeys(_shown(row.values.get(name), 60) for row in found.first_rows)
    return [text for text in shown if text][:3]


def _shown(value: Any, longest: int = LONGEST_CELL) -> str:
    """One line of text; lists and objects as the file has them, in JSON."""
    try:
        return quoted(as_text(value), longest)
    except BadCell:
        return quoted(json.dumps(value, ensure_ascii=False, default=str), longest)


def _suggest(columns: list[ColumnView], loading: Loading) -> None:
    """What columns seem to hold whose names only resemble a field's: chosen beforehand, never taken unasked."""
    taken = {column.field for column in columns if column.field}
    by_name = {plain(name): name_of for name_of, names in CALLED.items() for name in names}
    for column in columns:
        name = by_name.get(plain(column.name), "")
        if not column.field and name and name not in taken:
            column.field, column.is_suggested = name, True
            taken.add(name)


def _fields(loading: Loading) -> list[tuple[str, Any]]:
    names = [name for kind in registry.row_kinds().values() for name in kind.fields]
    found: list[tuple[str, Any]] = []
    for name in dict.fromkeys(["prompt_id", *names]):
        if name in ABOUT:
            found.append((name, ABOUT[name]))
            found += [(more, ABOUT[more]) for more in (f"{name}_2", f"{name}_3") if more in ABOUT]
    for axis in loading.axes:
        found.append((f"score.{axis.key}", _("the score on “%(axis)s”") % {"axis": axis.label}))
        found.append(
            (f"na_reason.{axis.key}", _("why “%(axis)s” could not be judged") % {"axis": axis.label})
        )
    return found
