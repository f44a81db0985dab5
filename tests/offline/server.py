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
        self.duplicated = said.get("duplicated", 0.0)
        """Answers that are sent a second time, a moment later, on the same connection."""
        self.together = said.get("together", 0)
        """So many requests are waited for, and answered the last one first."""
        self.swapped = said.get("swapped", False)
        """Of those, each gets the answer to another."""
        self.own_ids = said.get("own_ids", False)
        """Answers have identifiers of the server's making, as hosted ones do, not made of the request's name as vLLM does."""
        self.retry_after = said.get("retry_after", "0.01")
        self.gone_after = said.get("gone_after", 10**9)
        """So many answers, and then nobody is there."""
        self.revoked_after = said.get("revoked_after", 10**9)
        """So many answers, and then the key is not taken any more."""
        self.at_most = said.get("at_most", 0)
        """Requests at once; the others are told to come again."""
        self.longest = said.get("longest", 100_000)
        self.model = said.get("model", "")
        self.rng = random.Random(said.get("seed", 1))


class FakeServer:
    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.asked: list[dict[str, Any]] = []
        self.statuses: Counter[int] = Counter()
        self.at_once = self.most_at_once = 0
        self.waiting: list[tuple[dict[str, Any], asyncio.Future[dict[str, Any]]]] = []

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
        if len(self.asked) >= faults.gone_after:
            assert request.transport
            request.transport.close()
            return web.Response()
        if len(self.asked) >= faults.revoked_after:
            return self._error(401, "the key has expired")
        draw = faults.rng.random()
        if (draw := draw - faults.too_many) < 0:
            return self._error(429, "slow down", headers={"Retry-After": faults.retry_after})
        if (draw := draw - faults.broken) < 0:
            return self._error(500, "EngineCore encountered an issue")
        if (draw := draw - faults.dropped) < 0:
            assert request.transport
            request.transport.close()
            return web.Response()
        if (draw := draw - faults.not_json) < 0:
            return web.Response(text="<html>a proxy says hello</html>")
        if faults.at_most and self.at_once > faults.at_most:
            return self._error(429, "too many at once")
        self.asked.append(body)
        self.statuses[200] += 1
        said = self._completion(body, request.headers.get("X-Request-Id"))
        if faults.together:
            said = await self._in_another_order(said)
        if faults.rng.random() < faults.duplicated:
            self._once_more(request, said)
        return web.json_response(said)

    def _completion(self, body: dict[str, Any], name: str | None) -> dict[str, Any]:
        content = answer_to(body)
        number = str(len(self.asked))
        return {
            "id": "chatcmpl-" + (number if self.faults.own_ids else name or number),
            "model": body["model"], "system_fingerprint": "fake-1",
            "choices": [{"index": 0, "finish_reason": "length" if body["messages"][-1]["content"].startswith("長い") else "stop",
                         "message": {"role": "assistant", "content": content, "reasoning": "考え"}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": len(content)},
        }  # fmt: skip

    async def _in_another_order(self, said: dict[str, Any]) -> dict[str, Any]:
        mine: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.waiting.append((said, mine))
        if len(self.waiting) >= self.faults.together:
            together, self.waiting = self.waiting, []
            answers = [answer for answer, _ in together]
            if self.faults.swapped:
                answers = [*answers[1:], answers[0]]
            for answer, (_, future) in reversed(list(zip(answers, together, strict=True))):
                if not future.done():
                    future.set_result(answer)
                await asyncio.sleep(0.001)
        try:
            return await asyncio.wait_for(mine, 0.5)
        except TimeoutError:  # nobody else is coming
            self.waiting = [one for one in self.waiting if one[1] is not mine]
            return said

    def _once_more(self, request: web.Request, said: dict[str, Any]) -> None:
        data = json.dumps(said).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        transport = request.transport
        if transport is None:  # the client is gone
            return
        write = lambda: None if transport.is_closing() else transport.write(head.encode() + data)  # noqa: E731
        asyncio.get_running_loop().call_later(0.002, write)

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
