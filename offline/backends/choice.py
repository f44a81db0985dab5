"""Which back end: flags for it, and the one that they name, imported only then."""

from __future__ import annotations

import argparse
import os
import shlex

from offline.backends import Backend
from offline.bundle import Manifest
from offline.flags import from_zero, json_object, seconds

NAMES = ("openai", "vllm", "batch-file")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend", choices=NAMES, default="openai",
        help="openai: servers that speak the OpenAI chat API; vllm: in this process; batch-file: files for vllm run-batch or a"
        " batch service, written and read in turns (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--serve", action="store_true", help="start a server for the bundle’s model on this node, and end it"
    )
    parser.add_argument(
        "--model-path", metavar="PATH",
        help="--serve, --backend vllm: where the model’s files are on this node, if not where the bundle says; it keeps its name",
    )  # fmt: skip
    parser.add_argument(
        "--serve-command", metavar="COMMAND", default="vllm serve", help="what to start (%(default)s)"
    )
    parser.add_argument(
        "--serve-options", metavar="OPTIONS", default="",
        help="more options for it, in one word, as --serve-options='--tensor-parallel-size 4'",
    )  # fmt: skip
    parser.add_argument(
        "--serve-restarts",
        type=from_zero,
        default=3,
        metavar="N",
        help="after a crash, so often at most (%(default)s)",
    )
    parser.add_argument(
        "--serve-patience",
        type=seconds,
        default=1800,
        metavar="SECONDS",
        help="until it is ready (%(default)s)",
    )
    parser.add_argument(
        "--engine-options", type=json_object, metavar="JSON", default={},
        help='vllm: more options of the engine, as {"tensor_parallel_size": 4}',
    )  # fmt: skip
    parser.add_argument(
        "--batch-outputs", action="append", metavar="FILE", default=[],
        help="batch-file: what came back, where it is not in the folder batch/outputs of the bundle",
    )  # fmt: skip


def choose(options: argparse.Namespace, manifest: Manifest) -> Backend:
    """Raises ValueError where flags do not go together."""
    if options.backend == "vllm":
        from offline.backends.in_process import VllmBackend

        if options.serve or options.base_url:
            raise ValueError("--backend vllm works in this process: it takes neither --serve nor --base-url")
        return VllmBackend(
            manifest, chunk=options.in_flight, engine=options.engine_options, path=options.model_path
        )
    if options.serve:
        from offline.backends.served import ServedBackend
        from offline.serving.options import command
        from offline.serving.server import Server

        if options.base_url:
            raise ValueError("either --serve, or --base-url of a server that is there")
        folder, (k, n) = options.bundle.resolve(), options.shard
        program, more = shlex.split(options.serve_command), shlex.split(options.serve_options)
        return ServedBackend(
            Server(folder, f"{k}-of-{n}"),
            lambda port: command(
                manifest, folder, program=program, port=port, more=more, path=options.model_path
            ),
            restarts=options.serve_restarts,
            patience=options.serve_patience,
            in_flight=options.in_flight,
            timeout=options.timeout,
        )
    from offline.backends.openai import OpenAIBackend, urls_from_environment

    if options.model_path:
        raise ValueError(
            "--model-path is for --serve and --backend vllm; a server that is there has its model"
        )
    return OpenAIBackend(
        options.base_url or urls_from_environment(),
        api_key=os.environ.get("OPENAI_API_KEY", ""),
        in_flight=options.in_flight,
        timeout=options.timeout,
    )
