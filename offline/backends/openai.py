"""Answers over HTTP, from servers that speak the OpenAI chat API: vLLM's above all, or a hosted one."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from time import time
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from offline.backends import Answer, Refusal

DEFAULT_URL = "http://127.0.0.1:8000/v1"


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
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._in_flight),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=30),
            json_serialize=lambda body: json.dumps(body, ensure_ascii=False, separators=(",", ":")),
            trust_env=True,
        )
        served = {url: await self._models(url) for url in self.urls}
        return {
            "backend": "openai",
            "urls": [_without_secrets(url) for url in self.urls],
            "served": [*served.values()],
        }

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
        url = self.urls[next(self._turn)]
        try:
            async with self._session.post(f"{url}/chat/completions", json=body) as reply:
                text = await reply.text(errors="replace")
                if reply.status != 200:
                    raise _refusal(reply.status, text, reply.headers.get("Retry-After"))
        except TimeoutError as error:
            raise Refusal("timeout", f"no answer within {self._timeout:g} s", retryable=True) from error
        except aiohttp.ClientConnectorError as error:
            raise Refusal("connection", str(error), retryable=True, unreachable=True) from error
        except aiohttp.ClientError as error:
            raise Refusal("connection", f"{type(error).__name__}: {error}", retryable=True) from error
        return parse_answer(text)


def parse_answer(text: str | dict[str, Any]) -> Answer:
    """A chat completion as an answer. Raises Refusal where it is none."""
    try:
        said = json.loads(text) if isinstance(text, str) else text
        choice = said["choices"][0]
        message = choice["message"]
        content = message.get("content")
        reasoning = message.get("reasoning") or message.get("reasoning_content")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise Refusal("bad_answer", f"not a chat completion: {str(text)[:200]}", retryable=True) from error
    if message.get("refusal") and not content:
        raise Refusal("refused", str(message["refusal"])[:500], retryable=False)
    return Answer(
        content=content or "",
        finish_reason=choice.get("finish_reason"),
        reasoning=reasoning,
        usage=said.get("usage") or {},
        served_model=said.get("model"),
        system_fingerprint=said.get("system_fingerprint"),
    )


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
