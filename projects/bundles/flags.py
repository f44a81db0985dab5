"""Options of the commands that prepare bundles, where they are the same."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from projects.bundles.answering import Answering
from projects.bundles.errors import NotPrepared
from projects.bundles.sampling import NAMES, pairs, value_of
from projects.bundles.selection import PromptFilter


def add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="a folder that is not there yet, or empty"
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")
    parser.add_argument(
        "--batch-file",
        action="store_true",
        help="the first turns also as files for vllm run-batch or a batch service",
    )
    parser.add_argument("--shards", type=int, metavar="N", help="so many batch files (1)")
    model = parser.add_argument_group("the model")
    model.add_argument("--model-path", default="", metavar="PATH", help="what the server loads (the name)")
    model.add_argument("--revision", default="", metavar="R", help="of the model: a commit is best")
    model.add_argument("--tokenizer-revision", default="", metavar="R")
    model.add_argument("--quantization", default="", metavar="Q")
    model.add_argument("--lora", default="", metavar="PATH")
    model.add_argument(
        "--served-name", default="", metavar="NAME", help="what the server calls it, if neither name nor path"
    )
    model.add_argument(
        "--engine",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the engine, such as max_model_len=8192",
    )
    model.add_argument("--chat-template", type=Path, metavar="FILE", help="in place of the model's own")
    model.add_argument(
        "--chat-template-kwargs", default="", metavar="JSON", help='such as {"enable_thinking": false}'
    )
    model.add_argument(
        "--reasoning-parser", default="", metavar="P", help="of the server, for models that think aloud"
    )
    sampling = parser.add_argument_group(
        "sampling", "Every field is written into the bundle, those that nobody names with their defaults."
    )
    for name in NAMES:
        how = "append" if name == "stop" else "store"
        value = "TEXT" if name == "stop" else "VALUE"
        sampling.add_argument(
            f"--{name.replace('_', '-')}", dest=f"sampling.{name}", action=how, metavar=value
        )
    sampling.add_argument(
        "--seed", type=int, default=0, metavar="N", help="what all seeds are derived from (0)"
    )
    sampling.add_argument(
        "--leave-out", nargs="+", default=[], metavar="FIELD", help="sampling fields not to send, to servers that refuse them: top_k min_p"
    )  # fmt: skip
    prompts = parser.add_argument_group("which prompts (all)")
    prompts.add_argument(
        "--source", nargs="+", action="extend", default=[], metavar="NAME", help="from these sources"
    )
    prompts.add_argument(
        "--tag", nargs="+", action="extend", default=[], metavar="TAG", help="with any of these tags"
    )
    prompts.add_argument(
        "--prompts", nargs="+", action="extend", default=[], metavar="ID|@FILE", help="these; a file has one a line"
    )  # fmt: skip


def batch_files(options: dict[str, Any]) -> int:
    """How many; 0 for none. Raises NotPrepared."""
    if options["shards"] is not None and not options["batch_file"]:
        raise NotPrepared(
            "--shards is for --batch-file; a bundle is shared out where it is run, with --shard 3/16 and the like."
        )
    shards: int = 1 if options["shards"] is None else options["shards"]
    if options["batch_file"] and shards < 1:
        raise NotPrepared("--shards: there is at least 1.")
    return shards if options["batch_file"] else 0


def answering(name: str, options: dict[str, Any]) -> Answering:
    """Raises NotPrepared."""
    sampling = {
        field: options[f"sampling.{field}"] for field in NAMES if options[f"sampling.{field}"] is not None
    }
    template: Path | None = options["chat_template"]
    return Answering(
        name=name,
        path=options["model_path"],
        revision=options["revision"],
        tokenizer_revision=options["tokenizer_revision"],
        quantization=options["quantization"],
        lora=options["lora"],
        served_name=options["served_name"],
        unsupported=tuple(options["leave_out"]),
        sampling=sampling,
        engine={key: value_of(value) for key, value in pairs(options["engine"], "--engine").items()},
        chat_template=text_of(template, "--chat-template") if template else "",
        chat_template_kwargs=object_of(options["chat_template_kwargs"], "--chat-template-kwargs"),
        reasoning_parser=options["reasoning_parser"],
        seed=options["seed"],
    )


def prompt_filter(options: dict[str, Any]) -> PromptFilter:
    """Raises NotPrepared."""
    keys: list[str] = []
    for one in options["prompts"]:
        lines = text_of(Path(one[1:]), "--prompts").splitlines() if one.startswith("@") else [one]
        keys += [line.strip() for line in lines if line.strip()]
    return PromptFilter(tuple(options["source"]), tuple(options["tag"]), tuple(keys))


def text_of(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise NotPrepared(f"{option}: {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise NotPrepared(f"{option}: {path} is not UTF-8.") from error


def words_of(path: Path, option: str) -> str:
    """Without the line ends that an editor leaves at the end of a file."""
    return text_of(path, option).rstrip("\r\n")


def text_or_file(said: str, option: str) -> str:
    """TEXT, or @FILE."""
    return words_of(Path(said[1:]), option) if said.startswith("@") else said


def object_of(said: str, option: str) -> dict[str, Any]:
    if not said:
        return {}
    try:
        found = json.loads(said)
    except ValueError as error:
        raise NotPrepared(f"{option}: this is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise NotPrepared(f"{option}: here should be an object, such as {{}}.")
    return found
