"""Answers over HTTP, from servers that speak the OpenAI chat API: vLLM's above all, or a hosted one."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from time import monotonic, time
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.connector import Connection

from offline.backends import Answer, Refusal
from offline.backends.completion import parse_answer
from offline.bundle import canonical, sha256
from offline.journal import as_json

DEFAULT_URL = "http://127.0.0.1:8000/v1"
DOWN = 10.0  # seconds that a server which could not be reached is passed over, while there are others


class _Reply(aiohttp.ClientResponse):
    """Knows which connection it came through."""

    through: asyncio.Transport | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        self.through = connection.transport
        return await super().start(connection)


class OpenAIBackend:
    """One or more servers with the same model; requests go to each in turn, past those that are down."""

    def __init__(
        self, urls: Sequence[str], *, api_key: str = "", in_flight: int = 256, timeout: float = 600
    ) -> None:
        self.urls = [url.rstrip("/") for url in urls]
        for url in self.urls:
            if urlsplit(url).scheme not in ("http", "https"):
                raise ValueError(f"{url}: a base address begins with http:// or https://")
        self._key, self._in_flight, self._timeout = api_key, in_flight, timeout
        self._turn = itertools.cycle(range(len(self.urls)))
        self._down_until = [0.0] * len(self.urls)
        self._name, self._number = f"hyotei-{secrets.token_hex(6)}", itertools.count(1)
        self._identifiers = _Identifiers()
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> None:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._in_flight),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=30),
            json_serialize=as_json,
            response_class=_Reply,
            # A proxy of the cluster's is not asked for what is on this very machine.
            trust_env=any(
                urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1") for url in self.urls
            ),
        )

    async def start(self) -> dict[str, Any]:
        if self._session is None:
            self._open()
        return {
            "backend": "openai",
            "urls": [_without_secrets(url) for url in self.urls],
            "served": [await self._models(url) for url in self.urls],
            "servers": [await self._tells(url) for url in self.urls],
        }

    async def _tells(self, url: str) -> dict[str, Any]:
        """What vLLM says of itself, if it is vLLM: its version, and the chat template as loaded, where that may be asked."""
        assert self._session
        said: dict[str, Any] = {}
        for name in ("version", "tokenizer_info"):
            try:
                async with self._session.get(
                    f"{url.removesuffix('/v1')}/{name}", timeout=aiohttp.ClientTimeout(total=10)
                ) as reply:
                    found = await reply.json(content_type=None) if reply.status == 200 else None
            except (aiohttp.ClientError, TimeoutError, ValueError):
                continue
            if not isinstance(found, dict):
                continue
            if name == "version":
                said["version"] = found.get("version")
            elif isinstance(template := found.get("chat_template"), str):
                said["tokenizer_class"] = found.get("tokenizer_class")
                said["chat_template"] = {"text": template, "sha256": sha256(template)}
        return said

    async def _models(self, url: str) -> Any:
        """What the server says that it serves; hosted ones may not say."""
        assert self._session
        try:
            async with self._session.get(f"{url}/models", timeout=aiohttp.ClientTimeout(total=30)) as reply:
                said = await reply.json(content_type=None)
                return [
                    {name: model.get(name) for name in ("id", "root", "max_model_len") if name in model}
                    for model in said["data"]
                ]
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError, AttributeError):
            return None

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def answer(self, body: dict[str, Any]) -> Answer:
        assert self._session, "start() comes first"
        name = f"{self._name}-{next(self._number)}-"
        for left in reversed(range(len(self.urls))):
            at = self._next()
            try:
                async with self._session.post(
                    f"{self.urls[at]}/chat/completions", json=body, headers={"X-Request-Id": name}
                ) as reply:
                    data = await reply.read()
                    if reply.status != 200:
                        raise _refusal(
                            reply.status, data.decode(errors="replace"), reply.headers.get("Retry-After")
                        )
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
                # Nobody was there, which says nothing about the request: the next server may take it.
                self._down_until[at] = monotonic() + DOWN
                if left and min(self._down_until) <= monotonic():
                    continue
                raise Refusal("connection", str(error), retryable=True) from error
            except TimeoutError as error:
                raise Refusal("timeout", f"no answer within {self._timeout:g} s", retryable=True) from error
            except (aiohttp.ClientError, OSError) as error:
                raise Refusal("connection", f"{type(error).__name__}: {error}", retryable=True) from error
            assert isinstance(reply, _Reply)
            try:
                said = json.loads(data.decode())
            except (
                ValueError,
                RecursionError,
            ):  # UnicodeDecodeError, too: a text is taken as it is or not at all
                said = data.decode(errors="replace")[:200]
            self._check_whose(said, name, body, reply.through)
            return parse_answer(said)
        raise AssertionError("a request is answered or refused")

    def _next(self) -> int:
        """The server whose turn it is; one that is down only if all are."""
        first, n, now = next(self._turn), len(self.urls), monotonic()
        order = [(first + step) % n for step in range(n)]
        return next((at for at in order if self._down_until[at] <= now), first)

    def _check_whose(
        self, said: Any, name: str, body: dict[str, Any], through: asyncio.Transport | None
    ) -> None:
        """An answer that was sent twice would be taken for the answer to whatever went out next on its connection.

        Raises Refusal; the connection is closed, since what comes through it would be one answer behind from here on.
        """
        found = said.get("id") if isinstance(said, dict) else None
        if not isinstance(found, str) or not found:
            return
        ours = name in found if self._name in found else self._identifiers.is_new(found, said, body)
        if not ours:
            if through:
                through.abort()
            raise Refusal("mixed_up", "this is the answer to another request", retryable=True)


class _Identifiers:
    """Of the last answers. vLLM makes an answer's identifier of the request's name; elsewhere it is at least never given twice.

    Nearly elsewhere: some servers give all answers the same one, or keep an answer and give it again. They are believed, too.
    """

    kept = 10_000

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}
        self._doubted: dict[str, str] = {}
        self._believed = False

    def is_new(self, found: str, said: dict[str, Any], body: dict[str, Any]) -> bool:
        """Whether it may be the answer to the request, as far as its identifier goes."""
        if self._believed:
            return True
        digest = sha256(canonical(said))
        if found not in self._seen:
            self._seen[found] = digest
            if len(self._seen) > self.kept:
                del self._seen[next(iter(self._seen))]
            return True
        asked = sha256(canonical(body))
        if self._seen[found] != digest or self._doubted.get(asked) == found:
            self._believed = True  # other words by the same name; or the same again, on another connection
            return True
        self._doubted[asked] = found
        return False


def _refusal(status: int, text: str, retry_after: str | None) -> Refusal:
    """4xx says that the request is wrong, for good; 408, 409, 425 and 429 that now is a bad time; 5xx that the server is."""
    try:
        said = json.loads(text)
        error = said.get("error", said) if isinstance(said, dict) else {}
        message = str(error.get("message") if isinstance(error, dict) else error)
    except ValueError:
        message = text
    retryable = status >= 500 or status in (408, 409, 425, 429)
    return Refusal(f"http_{status}", message[:2000], retryable=retryable, retry_after=_seconds(retry_after))


def _seconds(header: str | None) -> float | None:
    """Retry-After is a number of seconds, or a date."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time())
    except ValueError:
        return None


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def urls_from_environment() -> list[str]:
    return [os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL]
