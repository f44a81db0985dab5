"""Answers from a server that we start ourselves, on loopback, and start again when it crashes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any

from offline.backends import Answer, Refusal
from offline.backends.openai import OpenAIBackend
from offline.serving.server import Server, end_leftover, free_port

RESOLVED = re.compile(r"(?:non-default args:|Initializing a V\d LLM engine.*?config:) (.*)")
"""Lines of vLLM's log that say what its options came to."""


NOTICING = 2.0  # seconds
PAUSE = 10.0  # seconds between two starts, for what the first one held to be let go, such as a GPU's memory


class ServedBackend(OpenAIBackend):
    """`command(port)` is what to start."""

    def __init__(
        self,
        server: Server,
        command: Callable[[int], list[str]],
        *,
        restarts: int = 3,
        patience: float = 1800,
        in_flight: int = 256,
        timeout: float = 600,
    ) -> None:
        # Others on the node reach loopback too; the key keeps them from being answered.
        super().__init__(
            ["http://127.0.0.1:0/v1"], api_key=secrets.token_hex(16), in_flight=in_flight, timeout=timeout
        )
        self.server, self._command = server, command
        self._restarts = self._restarts_left = restarts
        self._patience = patience
        self._ready, self._down = asyncio.Event(), asyncio.Event()
        self._gone = ""
        """Why there is no server any more."""
        self._watcher: asyncio.Task[None] | None = None
        self._serving: list[str] = []
        self._heard_at = 0.0
        """When it answered last, or got ready."""

    async def start(self) -> dict[str, Any]:
        leftover = await asyncio.to_thread(end_leftover, self.server.note)
        if leftover:
            print("a server that an earlier run left behind was ended", file=sys.stderr)
        self._open()
        await self._launch()
        self._watcher = asyncio.create_task(self._watch())
        return {
            **await super().start(),
            "backend": "served",
            "server_command": self._serving,
            "engine_as_resolved": RESOLVED.findall(self.server.said(whole=True))[:4],
            "leftover_ended": leftover,
        }

    async def answer(self, body: dict[str, Any]) -> Answer:
        await self._ready.wait()
        if self._gone:
            raise Refusal("server", self._gone, retryable=True, fatal=True)
        try:
            answer = await super().answer(body)
            self._heard_at = monotonic()
            return answer
        except Refusal as refusal:
            if (
                refusal.kind == "timeout"
                and monotonic() - self._heard_at >= self._timeout
                and self._ready.is_set()
            ):
                print(f"nothing came from the server for {self._timeout:g} s; it is ended", file=sys.stderr)
                self._ready.clear()
                self.server.end()
            elif refusal.kind == "connection":
                # Most likely it crashed, which takes a moment to be noticed. Retries are not for that moment.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._down.wait(), NOTICING)
            raise

    async def close(self) -> None:
        if self._watcher:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        await self.server.stop()
        await super().close()

    async def _launch(self) -> None:
        """Start it and wait until it answers. Raises Refusal."""
        port = free_port()
        self.urls = [f"http://127.0.0.1:{port}/v1"]
        self._serving = self._command(port)
        try:
            await self.server.start(self._serving, {"VLLM_API_KEY": self._key})
        except OSError as error:
            raise Refusal("server", f"{self._serving[0]}: {error}", retryable=False, fatal=True) from error
        print(f"waiting for the server; its log is {self.server.log}", file=sys.stderr)
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        wait = 0.05
        while await self._models(self.urls[0]) is None:
            if not self.server.running:
                await self.server.ended()
                raise Refusal(
                    "server",
                    f"the server ended before it was ready. The end of {self.server.log}:\n{self.server.said()}",
                    retryable=True, fatal=True,
                )  # fmt: skip
            if loop.time() > until:
                raise Refusal(
                    "server",
                    f"the server was not ready within {self._patience:g} s. The end of {self.server.log}:\n{self.server.said()}",
                    retryable=False, fatal=True,
                )  # fmt: skip
            await asyncio.sleep(wait)
            wait = min(1.0, 1.3 * wait)
        self._heard_at = monotonic()
        self._down_until = [0.0]
        self._down.clear()
        self._ready.set()

    async def _watch(self) -> None:
        while True:
            why = f"the server ended (exit status {await self.server.ended()})"
            self._ready.clear()
            self._down.set()
            if not await self._launch_again(why):
                break
        self._ready.set()

    async def _launch_again(self, why: str) -> bool:
        """As often as it may be; whether there is a server again."""
        while self._restarts_left > 0:
            self._restarts_left -= 1
            print(
                f"{why}; it is started again, and {self._restarts_left} times more at most", file=sys.stderr
            )
            try:
                await self._launch()
                return True
            except Refusal as refusal:
                if not refusal.retryable:
                    self._gone = refusal.message
                    return False
                why = "the server ended before it was ready"
            await asyncio.sleep(PAUSE)
        times = f"{self._restarts} time{'s' * (self._restarts != 1)}"
        self._gone = (
            f"{why}, and after being started again {times} (--serve-restarts) it is not any more; what was answered is kept. The"
            f" end of {self.server.log}:\n{self.server.said()}"
        )
        return False
