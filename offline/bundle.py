"""A bundle: the folder that the platform writes and a GPU node works through.

    manifest.json   one object: which job, which model, and everything that affects what comes out
    items.jsonl     one conversation a line, with its own key

A key is a hash of all that decides an answer. So the same question to the same model has the same key in every bundle, an
answer can be recognised wherever it comes from, and a changed text never inherits an answer.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

FORMAT = 1
MANIFEST, ITEMS = "manifest.json", "items.jsonl"

KEY = re.compile("[0-9a-f]{32}")

Kind = Literal["generate", "judge"]
KINDS: dict[str, type] = {
    "model": dict, "sampling": dict, "seed": dict, "engine": dict, "chat_template_kwargs": dict, "variants": list,
    "reasoning_parser": str, "project": str, "items_sha256": str, "job_id": str, "created_at": str, "samples": int,
    "n_items": int, "n_turns": int,
}  # fmt: skip
"""Of a manifest's fields."""

SAMPLING = {
    "temperature": 1.0, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "max_tokens": 2048, "presence_penalty": 0.0,
    "frequency_penalty": 0.0, "repetition_penalty": 1.0, "stop": [],
}  # fmt: skip
"""Every sampling field that is always written out, with what it is where nobody said anything. -1: no top-k."""

MORE_SAMPLING = frozenset(
    {
        "min_tokens", "stop_token_ids", "ignore_eos", "logit_bias", "bad_words", "response_format", "structured_outputs",
        "reasoning_effort", "thinking_token_budget", "logprobs", "top_logprobs", "skip_special_tokens",
        "spaces_between_special_tokens", "truncate_prompt_tokens", "include_stop_str_in_output", "allowed_token_ids",
    }
)  # fmt: skip
"""Further names that servers know. Others are refused: vLLM ignores what it does not know, typing errors too."""


class BundleError(ValueError):
    """What is wrong with a bundle: which file, which line, which field, and what to do."""


@dataclass(frozen=True)
class Item:
    """One conversation to be answered, or one response to be judged.

    `turns` are messages {role, content}: user turns in their order, and assistant turns where the answer is given and not
    to be made. Each user turn that is not followed by an assistant turn is answered, on top of all before it.
    """

    item_id: str
    prompt_id: str
    turns: list[dict[str, str]]
    prompt_sha256: str
    """Of `system` and `turns`: what seeds are derived from, so that models are sampled alike."""
    sample: int = 0
    variant: str = ""
    """Name of the template that the prompt was put into; empty for the prompt as it is."""
    system: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    """Sampling fields that differ from the manifest's."""
    model: str | None = None
    """Judging: whose response it is."""
    turn: int | None = None
    """Judging: of which turn, from 1."""
    repeat: int = 0
    """Judging: the same once more, from 0."""
    order: str = ""
    """Judging pairs: "ab", or "ba" with the sides swapped."""
    other: str | None = None
    """Judging pairs: the second model."""
    response_sha256: str | None = None
    """Judging: of the judged text."""
    other_sha256: str | None = None
    """Judging pairs: of the second model's text."""

    @property
    def answered(self) -> list[int]:
        """Places in `turns` of the user turns that are to be answered."""
        roles = [turn["role"] for turn in self.turns]
        return [i for i, role in enumerate(roles) if role == "user" and roles[i + 1 : i + 2] != ["assistant"]]

    def as_json(self) -> dict[str, Any]:
        """Without what is left at its default."""
        return {
            one.name: value
            for one in fields(self)
            if (value := getattr(self, one.name)) not in (None, "", {})
            or one.name in ("item_id", "prompt_id")
        }


@dataclass(frozen=True)
class Manifest:
    """What a bundle is, and everything that affects what comes out of it."""

    kind: Kind
    model: dict[str, Any]
    """The model that answers: `name` (as the project calls it), `path` (what the server loads), `revision`,
    `tokenizer_revision`, `quantization`, `lora`."""
    sampling: dict[str, Any]
    """Every field of SAMPLING, and more."""
    seed: dict[str, Any]
    """`base`, a whole number, and `rule`, in words."""
    project: str = ""
    samples: int = 1
    variants: list[str] = field(default_factory=list)
    engine: dict[str, Any] = field(default_factory=dict)
    """Options of the engine that the study asks for: `max_model_len`, `dtype`, …"""
    chat_template: dict[str, str] | None = None
    """`text` and `sha256`, where it overrides the model's own."""
    chat_template_kwargs: dict[str, Any] = field(default_factory=dict)
    reasoning_parser: str = ""
    judge: dict[str, Any] | None = None
    """`name`, `preset`, `preset_sha256`, `mode`, `constrained`, `axes`, `attempts`, `repeats`."""
    n_items: int = 0
    n_turns: int = 0
    items_sha256: str = ""
    job_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    format: int = FORMAT

    def digest(self) -> str:
        """SHA-256 of all that affects results: two manifests with the same digest are the same job, whoever made them."""
        said = asdict(self)
        for name in ("job_id", "created_at", "project", "n_items", "n_turns"):
            del said[name]
        return sha256(canonical(said))

    def settings_digest(self) -> str:
        """What goes into each item's key: the same without how many items there are, which decides no answer."""
        return self._settings

    @cached_property
    def _settings(self) -> str:  # asked for by every item
        judge = {
            name: value for name, value in (self.judge or {}).items() if name not in ("repeats", "attempts")
        }
        return replace(self, items_sha256="", samples=1, variants=[], judge=judge or None).digest()

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Raises BundleError."""
        path = folder / MANIFEST
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise BundleError(f"{folder}: there is no {MANIFEST}; is this the folder of a bundle?") from error
        except (ValueError, OSError) as error:
            raise BundleError(f"{path}: not JSON: {error}") from error
        if not isinstance(said, dict) or said.get("format") != FORMAT:
            found = said.get("format") if isinstance(said, dict) else None
            raise BundleError(f"{path}: format: {found!r}, and this version reads {FORMAT}")
        known = {one.name for one in fields(cls)}
        if strange := sorted(said.keys() - known):
            raise BundleError(f"{path}: unknown fields: {', '.join(strange)}")
        try:
            manifest = cls(**said)
        except TypeError as error:
            raise BundleError(f"{path}: {error}") from error
        manifest.check(str(path))
        return manifest

    def check(self, place: str = MANIFEST) -> None:
        """Raises BundleError."""
        for name, kind in KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool):
                words = {dict: "an object", list: "a list", str: "a text", int: "a whole number"}[kind]
                raise BundleError(f"{place}: {name}: must be {words}")
        if self.kind not in ("generate", "judge"):
            raise BundleError(f"{place}: kind: {self.kind!r} is neither “generate” nor “judge”")
        template: Any = self.chat_template
        if template is not None and not (
            isinstance(template, dict) and isinstance(template.get("text"), str)
        ):
            raise BundleError(f"{place}: chat_template: must be an object with a text, or nothing")
        if not isinstance(self.judge, dict | None):
            raise BundleError(f"{place}: judge: must be an object, or nothing")
        for name in ("name", "path", "revision", "served_name"):
            if not isinstance(self.model.get(name), str | None):
                raise BundleError(f"{place}: model: {name}: must be a text")
        if not self.model.get("name"):
            raise BundleError(f"{place}: model: the model has no name")
        check_sampling(self.sampling, f"{place}: sampling")
        if missing := SAMPLING.keys() - self.sampling.keys():
            raise BundleError(f"{place}: sampling: not written out: {', '.join(sorted(missing))}")
        if not isinstance(self.seed.get("base"), int):
            raise BundleError(f"{place}: seed: the base must be a whole number")
        if (self.kind == "judge") != (self.judge is not None):
            raise BundleError(f"{place}: judge: a bundle of kind “judge” says which judge, another does not")


SEED_RULE = "first 31 bits of SHA-256 of base:prompt_sha256:sample:repeat:turn:attempt"


def seed_of(base: int, item: Item, *, turn: int, attempt: int = 0) -> int:
    """31 bits, which every server takes. Consecutive seeds would not do: sample i of a seed is sample 0 of seed + i."""
    words = f"{base}:{item.prompt_sha256}:{item.sample}:{item.repeat}:{turn}:{attempt}"
    return int.from_bytes(hashlib.sha256(words.encode("utf-8", "surrogatepass")).digest()[:4]) >> 1


def make_item(manifest: Manifest, **said: Any) -> Item:
    """An item with its key and the hash of its texts, both computed here."""
    said["prompt_sha256"] = sha256(canonical([said.get("system"), said["turns"]]))
    item = Item(item_id="", **said)
    return replace(item, item_id=item_key(manifest, item))


def item_key(manifest: Manifest, item: Item) -> str:
    """32 hexadecimal digits. Of everything that decides the answer, the settings of the job included."""
    said = asdict(item)
    del said["item_id"], said["other_sha256"]  # the text that it is of stands in `turns`
    return sha256(canonical([manifest.settings_digest(), said]))[:32]


def check_sampling(sampling: Mapping[str, Any], place: str) -> None:
    """Raises BundleError for a name that no server knows."""
    for name in sampling:
        if name not in SAMPLING and name not in MORE_SAMPLING:
            known = ", ".join(sorted([*SAMPLING, *MORE_SAMPLING]))
            raise BundleError(f"{place}: {name}: there is no such sampling field; there are: {known}")


def write_bundle(folder: Path, manifest: Manifest, items: Iterable[Item]) -> Manifest:
    """Write a bundle: all of it or nothing. The manifest comes back with its counts and the hash of its items.

    `folder` must not exist yet, or be empty. Raises BundleError for two items of one key, and for an item without turns.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise BundleError(f"{folder}: the folder is not empty; name another one")
    manifest.check()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
        fresh = Path(name) / "bundle"
        fresh.mkdir()
        seen: set[str] = set()
        turns = 0
        digest = hashlib.sha256()
        with (fresh / ITEMS).open("wb") as out:
            for item in items:
                check_item(item, f"{ITEMS}, item {len(seen) + 1}")
                if item.item_id in seen:
                    raise BundleError(f"{ITEMS}: {item.prompt_id}: the same item twice ({item.item_id})")
                seen.add(item.item_id)
                turns += len(item.answered)
                line = (json.dumps(item.as_json(), ensure_ascii=False) + "\n").encode()
                digest.update(line)
                out.write(line)
            out.flush()
            os.fsync(out.fileno())
        whole = replace(manifest, n_items=len(seen), n_turns=turns, items_sha256=digest.hexdigest())
        with (fresh / MANIFEST).open("w", encoding="utf-8") as out_manifest:
            json.dump(asdict(whole), out_manifest, ensure_ascii=False, indent=2)
            out_manifest.write("\n")
            out_manifest.flush()
            os.fsync(out_manifest.fileno())
        if folder.exists():
            folder.rmdir()
        fresh.rename(folder)
    return whole


def read_items(folder: Path, *, shard: tuple[int, int] = (1, 1)) -> Iterator[Item]:
    """The items of one shard, k of n, in their order, one at a time. Which shard an item is of is decided by its key.

    Raises BundleError, naming the line.
    """
    k, n = shard
    if not 1 <= k <= n:
        raise BundleError(f"shard {k}/{n}: the first number counts from 1 to the second")
    path = Path(folder) / ITEMS
    try:
        lines = path.open(encoding="utf-8")
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error
    with lines:
        for number, line in enumerate(lines, 1):
            item = _item(line, f"{path}, line {number}")
            if int(item.item_id[:8], 16) % n == k - 1:
                yield item


def _item(line: str, place: str) -> Item:
    known = {one.name for one in fields(Item)}
    try:
        said = json.loads(line)
        if strange := sorted(said.keys() - known):
            raise BundleError(f"{place}: unknown fields: {', '.join(strange)}")
        item = Item(**said)
    except BundleError:
        raise
    except (ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"{place}: {error}") from error
    check_item(item, place)
    return item


def check_item(item: Item, place: str) -> None:
    """Raises BundleError."""
    said: Any = item  # whatever the file holds
    if not isinstance(said.item_id, str) or not KEY.fullmatch(said.item_id):
        raise BundleError(f"{place}: item_id: {item.item_id!r} is not 32 hexadecimal digits")
    if not isinstance(said.prompt_id, str) or not isinstance(said.prompt_sha256, str):
        raise BundleError(f"{place}: prompt_id, prompt_sha256: must be texts")
    for name in ("sample", "repeat"):
        if not isinstance(getattr(said, name), int):
            raise BundleError(f"{place}: {name}: must be a whole number")
    if not isinstance(said.system, str | None) or not isinstance(said.params, dict):
        raise BundleError(f"{place}: system must be a text, params an object")
    if not isinstance(said.turns, list) or not all(isinstance(turn, dict) for turn in said.turns):
        raise BundleError(f"{place}: turns: must be a list of {{role: user or assistant, content: text}}")
    if not item.turns or item.turns[0].get("role") != "user":
        raise BundleError(f"{place}: turns: a conversation begins with a user turn")
    for number, turn in enumerate(item.turns, 1):
        if turn.get("role") not in ("user", "assistant") or not isinstance(turn.get("content"), str):
            raise BundleError(
                f"{place}: turns: turn {number} must be {{role: user or assistant, content: text}}"
            )
    if not item.answered:
        raise BundleError(f"{place}: turns: there is no turn left to answer")
    check_sampling(item.params, f"{place}: params")


def hash_of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def canonical(said: Any) -> str:
    """JSON in one spelling: sorted, without blanks."""
    return json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
