"""A server that speaks the OpenAI chat API, over real HTTP: `python -m tests.offline.server [--faults …]`.

What it answers is a function of what it is sent, so that two runs can be compared. It misbehaves as it is told to, and
notes what it was asked.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
from collections import Counter
from typing import Any

from aiohttp import web


def answer_to(body: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps([body["messages"], body.get("seed")]).encode()).hexdigest()
    if body.get("response_format"):  # a judge's answer, so that the whole way can be gone without a model
        schema = body["response_format"]["json_schema"]["schema"]
        return json.dumps(made_up(schema, random.Random(digest)), ensure_ascii=False)
    return f"答え {digest[:12]}\n" + body["messages"][-1]["content"][:20]


def made_up(schema: dict[str, Any], rng: random.Random) -> Any:
    """Something that fits a JSON schema, of those that presets have."""
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if schema["type"] == "object":
        return {name: made_up(part, rng) for name, part in schema["properties"].items()}
    if schema["type"] == "array":
        return [made_up(schema["items"], rng) for _ in range(schema["minItems"])]
    return "作り物の理由"


class Faults:
    """How often what goes wrong, as shares of requests; and what is wrong for good."""

    def __init__(self, **said: Any) -> None:
        self.too_many = said.get("too_many", 0.0)
        self.broken = said.get("broken", 0.0)
        self.dropped = said.get("dropped", 0.0)
        self.not_json = said.get("not_json", 0.0)
        self.latency = said.get("latency", 0.0)
        self.longest = said.get("longest", 100_000)
        self.model = said.get("model", "")
        self.rng = random.Random(said.get("seed", 1))


class FakeServer:
    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.asked: list[dict[str, Any]] = []
        self.statuses: Counter[int] = Counter()
        self.at_once = self.most_at_once = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.complete)
        return app

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": self.faults.model or "tiny", "max_model_len": 4096}]})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._complete(request)
        finally:
            self.at_once -= 1

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        faults, body = self.faults, await request.json()
        if faults.latency:
            await asyncio.sleep(faults.rng.uniform(0, 2 * faults.latency))
        if faults.model and body["model"] != faults.model:
            return self._error(404, f"The model `{body['model']}` does not exist.")
        if sum(len(message["content"]) for message in body["messages"]) > faults.longest:
            return self._error(400, "This model's maximum context length is 4096 tokens.")
        draw = faults.rng.random()
        if (draw := draw - faults.too_many) < 0:
            return self._error(429, "slow down", headers={"Retry-After": "0.01"})
        if (draw := draw - faults.broken) < 0:
            return self._error(500, "EngineCore encountered an issue")
        if (draw := draw - faults.dropped) < 0:
            assert request.transport
            request.transport.close()
            return web.Response()
        if (draw := draw - faults.not_json) < 0:
            return web.Response(text="<html>a proxy says hello</html>")
        self.asked.append(body)
        self.statuses[200] += 1
        content = answer_to(body)
        return web.json_response(
            {
                "id": "chatcmpl-" + request.headers.get("X-Request-Id", str(len(self.asked))), "model": body["model"], "system_fingerprint": "fake-1",
                "choices": [{"index": 0, "finish_reason": "length" if body["messages"][-1]["content"].startswith("長い") else "stop",
                             "message": {"role": "assistant", "content": content, "reasoning": "考え"}}],
                "usage": {"prompt_tokens": 3, "completion_tokens": len(content)},
            }
        )  # fmt: skip

    def _error(self, status: int, message: str, **more: Any) -> web.Response:
        self.statuses[status] += 1
        said = {"error": {"message": message, "type": "BadRequestError", "code": status}}
        return web.json_response(said, status=status, **more)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", type=json.loads, default={})
    options = parser.parse_args()

    async def serve() -> None:
        runner = web.AppRunner(FakeServer(Faults(**options.faults)).app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", options.port)
        await site.start()
        assert site._server
        print(site._server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
