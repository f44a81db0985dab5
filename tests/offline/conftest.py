"""A model server on a thread of its own, and bundles to work through."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from offline.bundle import SAMPLING, SEED_RULE, Item, Manifest, make_item, write_bundle
from tests.offline.server import FakeServer, Faults


@pytest.fixture(autouse=True)
def _loop_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a thread: where browser tests ran before, Playwright's event loop still belongs to this one."""
    run = asyncio.run

    def in_thread(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(run, coroutine).result()

    monkeypatch.setattr(asyncio, "run", in_thread)


@dataclass
class Running:
    url: str
    server: FakeServer


@pytest.fixture
def serve() -> Iterator[Callable[..., Running]]:
    """`serve(too_many=0.1)` starts a server with these faults."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runners: list[web.AppRunner] = []

    def start(**faults: object) -> Running:
        server = FakeServer(Faults(**faults))

        async def go() -> int:
            runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            runners.append(runner)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            assert site._server
            return site._server.sockets[0].getsockname()[1]

        port = asyncio.run_coroutine_threadsafe(go(), loop).result(10)
        return Running(f"http://127.0.0.1:{port}/v1", server)

    yield start
    for runner in runners:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    asyncio.run_coroutine_threadsafe(_end_all(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _end_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def a_manifest(**said: object) -> Manifest:
    return Manifest(
        **{
            "kind": "generate",
            "model": {"name": "tiny", "path": "tiny"},
            "sampling": dict(SAMPLING),
            "seed": {"base": 7, "rule": SEED_RULE},
            **said,
        }
    )


def conversations(of: Manifest, n: int, turns: int = 2) -> list[Item]:
    return [
        make_item(
            of,
            prompt_id=f"p{i}",
            turns=[{"role": "user", "content": f"質問 {i}、その {turn + 1}"} for turn in range(turns)],
        )
        for i in range(n)
    ]


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Path]:
    """`bundle(n=20)` writes a bundle of n conversations of two turns."""

    def make(
        n: int = 20, turns: int = 2, name: str = "bundle", items: list[Item] | None = None, **said: object
    ) -> Path:
        of = a_manifest(**said)
        write_bundle(tmp_path / name, of, conversations(of, n, turns) if items is None else items)
        return tmp_path / name

    return make
