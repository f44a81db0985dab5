"""Which files a load is made of: those that are named, and those of folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from projects.loading.options import Source
from projects.tables import Place, Problem, Refused, listed, say
from projects.tables.messages import _

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".xlsx", ".parquet", ".ndjson")
#: Of an MT-Bench folder: the rest of it is not loaded from here.
ANSWERS = "model_answer"
#: What folders hold besides data: of an evaluation by llm-jp-judge, its summaries.
ABOUT = {
    "manifest.json", "metadata.json", "progress.json", "score_table.json", "evaluate_error_rate_table.json", "judge_prompts.jsonl",
}  # fmt: skip
MANIFEST, ITEMS, RUNS, RESULTS = "manifest.json", "items.jsonl", "runs.jsonl", "results-*.jsonl"
#: What a run leaves in its bundle's folder besides: how far it is, who is at work, what the server said.
OF_A_RUN = ("progress*.json", "judge-summary*.json", "results-*.lock", "server-*.log", "server-*.pid")
#: That llm-jp-judge writes beside its answers.
METADATA = "metadata.json"


def expand(files: Sequence[Source | Path]) -> list[Source]:
    """Files as they are, folders as the files in them that can be loaded. Raises Refused."""
    found: list[Source] = []
    sources = [file if isinstance(file, Source) else Source(file) for file in files]
    is_bundle = any(PurePath(source.shown).name == MANIFEST for source in sources)
    for source in sources:
        if len(files) > 1 and _is_empty_journal(source):
            continue
        if is_bundle and any(PurePath(source.shown).match(name) for name in OF_A_RUN):
            continue
        found.extend(_in_folder(source.path) if source.path.is_dir() else _with_its_own(source))
    return list({source.path.resolve(): source for source in found}.values())


def _is_empty_journal(source: Source) -> bool:
    """A shard that nothing fell to, or that was stopped before its first answer."""
    return PurePath(source.shown).match(RESULTS) and source.path.is_file() and not source.path.stat().st_size


def _with_its_own(source: Source) -> list[Source]:
    """A file, and those beside it without which it says nothing."""
    path = source.path
    if path.name != source.shown:  # of an upload, or of a folder that was looked through
        return [source]
    beside: list[Path] = []
    if path.match(RESULTS):
        beside = [path.with_name(name) for name in (MANIFEST, ITEMS, RUNS)]
    elif names_the_model(path.with_name(METADATA)) and path.name != METADATA:
        beside = [path.with_name(METADATA)]
    return [*(Source(one) for one in beside if one.is_file()), source]


def names_the_model(metadata: Path) -> bool:
    try:
        found = json.loads(metadata.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and isinstance(found.get("model_name"), str)


def _in_bundle(folder: Path) -> list[Path]:
    """What came back, with what it is understood by. What a batch service sent stands under names of its own."""
    about = [folder / name for name in (MANIFEST, ITEMS, RUNS) if (folder / name).is_file()]
    results = [path for path in sorted(folder.glob(RESULTS)) if path.stat().st_size]
    if not results:
        known = {MANIFEST, ITEMS, RUNS}
        results = [
            path
            for path in sorted(folder.glob("*.jsonl"))
            if path.name not in known and not path.match(RESULTS) and not path.name.startswith("request")
        ]
    if not results:
        reason = say(_("Nothing has come back in this bundle yet: there are no results."))
        raise Refused(Problem(reason, Place(folder.name)))
    return [*about, *results]


def _in_folder(folder: Path) -> list[Source]:
    if (folder / MANIFEST).is_file() and (folder / ITEMS).is_file():
        files = _in_bundle(folder)
    elif questions := sorted(folder.glob("question*.jsonl")):
        files = [*questions[:1], *sorted((folder / ANSWERS).rglob("*.jsonl"))]
    else:
        files = [
            path
            for path in sorted(folder.iterdir())
            if path.is_file()
            and path.suffix.lower() in SUFFIXES
            and (path.name not in ABOUT or (path.name == METADATA and names_the_model(path)))
            and path.name[0] != "."
        ]
    if not files:
        reason = say(
            _("In this folder is nothing that can be loaded: %(suffixes)s."), suffixes=listed(SUFFIXES)
        )
        raise Refused(Problem(reason, Place(folder.name)))
    return [Source(path, path.relative_to(folder).as_posix()) for path in files]


def read_model_names(path: Path, name: str = "") -> dict[str, str]:
    """Names of models by the letters of a file that anonymised them: a JSON object, or lines "llm_a,GPT-4". Raises
    Refused."""
    place = Place(name or path.name)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as bad:
        reason = say(_("This file cannot be opened: %(what)s"), what=str(bad))
        raise Refused(Problem(reason, place)) from None
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError as bad:
            raise Refused(Problem(say(_("This is not JSON: %(what)s"), what=str(bad)), place)) from None
        names = dict(found)
    else:
        names = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            letter, separator, model = line.replace("\t", ",").partition(",")
            if not separator or not model.strip():
                reason = say(_("Each line has a letter and a name, parted by a comma: llm_a,GPT-4."))
                raise Refused(Problem(reason, Place(place.file, number)))
            names[letter.strip()] = model.strip().strip('"')
    check_model_names(names, place)
    return names


def check_model_names(names: Mapping[str, object], place: Place) -> None:
    for letter, model in names.items():
        if not isinstance(model, str) or not model.strip() or len(model) > 300:
            raise Refused(
                Problem(say(_("Here should be a name of 1 to 300 characters.")), place, str(letter))
            )
    twice = {model for model in names.values() if list(names.values()).count(model) > 1}
    if twice:
        reason = say(_("Two letters have the same name: %(names)s."), names=listed(sorted(map(str, twice))))
        raise Refused(Problem(reason, place))
