"""Answers from vLLM in this process: no port, no second process, the strictest determinism that vLLM offers.

Only `LLM`, `SamplingParams` and `StructuredOutputsParams` are used: other names move between versions. Requests that are
waiting are answered together, by one call of `LLM.chat`; vLLM batches them by itself.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import queue
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from offline.backends import Answer, Refusal
from offline.bundle import Manifest, canonical, sha256

PARAMETERS = frozenset(
    {
        "temperature", "top_p", "top_k", "min_p", "max_tokens", "presence_penalty", "frequency_penalty",
        "repetition_penalty", "stop", "seed", "min_tokens", "stop_token_ids", "ignore_eos", "bad_words",
        "skip_special_tokens", "spaces_between_special_tokens", "include_stop_str_in_output", "allowed_token_ids",
    }
)  # fmt: skip
"""Of a request, what `SamplingParams` takes by the same name."""

ELSEWHERE = frozenset(
    {"model", "messages", "chat_template", "chat_template_kwargs", "response_format", "structured_outputs"}
)
GATHERING = 0.02  # seconds to wait for company
THREAD = "vllm"


@dataclass
class _Waiting:
    body: dict[str, Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Answer]

    def settle(self, found: Answer | Refusal) -> None:
        def tell() -> None:
            if not self.future.done():
                if isinstance(found, Refusal):
                    self.future.set_exception(found)
                else:
                    self.future.set_result(found)

        self.loop.call_soon_threadsafe(tell)


class VllmBackend:
    """`chunk` requests at most are answered together; `engine` goes to `LLM` on top of the manifest's options."""

    def __init__(
        self,
        manifest: Manifest,
        *,
        chunk: int = 256,
        engine: Mapping[str, Any] | None = None,
        path: str | None = None,
    ) -> None:
        self.manifest, self.chunk, self.engine, self.path = manifest, chunk, dict(engine or {}), path
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    async def start(self) -> dict[str, Any]:
        # One process: nothing that could outlive us, and one order of events.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        try:
            vllm = importlib.import_module("vllm")
            structured = importlib.import_module("vllm.sampling_params").StructuredOutputsParams
        except ImportError as error:
            raise Refusal(
                "vllm", f"vLLM cannot be imported ({error}); install hyotei[offline,vllm]", retryable=False
            ) from error
        self._vllm, self._structured = vllm, structured
        options = self._options()
        try:
            self._llm = vllm.LLM(**options)
        except Exception as error:
            raise Refusal(
                "vllm", f"the model did not load: {type(error).__name__}: {error}", retryable=False
            ) from error
        takes = inspect.signature(self._llm.chat).parameters
        self._quiet = {"use_tqdm": False} if "use_tqdm" in takes else {}
        self._thread = threading.Thread(target=self._work, name=THREAD, daemon=True)
        self._thread.start()
        return {"backend": "vllm", "vllm": vllm.__version__, "engine": options, **self._loaded()}

    def _options(self) -> dict[str, Any]:
        model = self.manifest.model
        if model.get("lora"):
            raise Refusal("vllm", "an adapter (lora) needs a server: use --serve", retryable=False)
        said: dict[str, Any] = {
            "model": self.path or model.get("path") or model["name"],
            "generation_config": "vllm",
        }
        for name in ("revision", "tokenizer_revision", "quantization"):
            if model.get(name):
                said[name] = model[name]
        sampling = self.manifest.sampling
        if sampling.get("response_format") or sampling.get("structured_outputs"):
            said["structured_outputs_config"] = {"backend": "xgrammar", "disable_any_whitespace": True}
        return {**said, **self.manifest.engine, **self.engine}

    def _loaded(self) -> dict[str, Any]:
        """What the engine came to, where it tells."""
        said: dict[str, Any] = {}
        try:
            template = self._llm.get_tokenizer().chat_template
            if isinstance(template, str):
                said["chat_template"] = {"text": template, "sha256": sha256(template)}
        except Exception as error:
            said["chat_template"] = f"unknown: {error}"
        try:
            said["engine_as_resolved"] = [str(self._llm.llm_engine.vllm_config)]
        except Exception:
            said["engine_as_resolved"] = []
        return said

    async def answer(self, body: dict[str, Any]) -> Answer:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.put(_Waiting(body, loop, future))
        return await future

    async def close(self) -> None:
        """Whatever is being computed goes on; see `leave`."""
        self._waiting.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 5)

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            together = [first]
            try:
                while len(together) < self.chunk:
                    following = self._waiting.get(timeout=GATHERING)
                    if following is None:
                        self._waiting.put(None)
                        break
                    together.append(following)
            except queue.Empty:
                pass
            groups: dict[str, list[_Waiting]] = {}
            for one in together:  # the template's arguments are those of a whole call
                if not one.future.cancelled():
                    key = canonical([one.body.get("chat_template"), one.body.get("chat_template_kwargs")])
                    groups.setdefault(key, []).append(one)
            for group in groups.values():
                self._chat(group)

    def _chat(self, group: list[_Waiting]) -> None:
        """One call. Where a prompt spoils it for all, the group is halved until the prompt stands alone."""
        ready, parameters = [], []
        for one in group:
            try:
                parameters.append(self.parameters(one.body))
                ready.append(one)
            except (ValueError, TypeError) as error:
                one.settle(Refusal("bad_request", str(error)[:2000], retryable=False))
        if not ready:
            return
        body = ready[0].body
        try:
            outputs = self._llm.chat(
                [one.body["messages"] for one in ready],
                parameters,
                chat_template=body.get("chat_template"),
                chat_template_kwargs=body.get("chat_template_kwargs"),
                **self._quiet,
            )
        except (ValueError, TypeError) as error:
            if len(ready) == 1:
                ready[0].settle(Refusal("bad_request", str(error)[:2000], retryable=False))
                return
            half = len(ready) // 2
            self._chat(ready[:half])
            self._chat(ready[half:])
            return
        except Exception as error:  # the engine itself: out of memory, a dead worker
            for one in ready:
                words = f"{type(error).__name__}: {error}"[:2000]
                one.settle(Refusal("engine", words, retryable=True, fatal=True))
            return
        for one, output in zip(ready, outputs, strict=True):
            one.settle(self._answer(output))

    def parameters(self, body: Mapping[str, Any]) -> Any:
        """A request's fields as SamplingParams. Raises ValueError for what cannot be done here."""
        strange = sorted(
            name for name, value in body.items() if name not in PARAMETERS | ELSEWHERE and value is not None
        )
        if strange:
            raise ValueError(
                f"--backend vllm does not take {', '.join(strange)}; a server does (--serve, --base-url)"
            )
        said = {name: value for name, value in body.items() if name in PARAMETERS}
        if constraint := _constraint(body):
            said["structured_outputs"] = self._structured(**constraint)
        return self._vllm.SamplingParams(**said)

    def _answer(self, output: Any) -> Answer:
        said = output.outputs[0]
        content, reasoning = said.text, None
        if self.manifest.reasoning_parser:  # which LLM.chat does not apply
            content, reasoning = split_thoughts(said.text)
        prompt, completion = len(output.prompt_token_ids or ()), len(said.token_ids or ())
        return Answer(
            content=content,
            reasoning=reasoning,
            finish_reason=said.finish_reason,
            usage={
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            },
            served_model=self.manifest.model.get("path") or self.manifest.model["name"],
            system_fingerprint=f"vllm-{self._vllm.__version__}",
            prompt_sha256=sha256(output.prompt) if isinstance(output.prompt, str) else None,
        )


def _constraint(body: Mapping[str, Any]) -> dict[str, Any]:
    """`response_format` and `structured_outputs`, as StructuredOutputsParams has them. Raises ValueError."""
    said = dict(body.get("structured_outputs") or {})
    shape = body.get("response_format") or {}
    if shape.get("type") == "json_schema":
        said["json"] = shape["json_schema"]["schema"]
    elif shape.get("type") == "json_object":
        said["json_object"] = True
    elif shape.get("type") not in (None, "text"):
        raise ValueError(f"response_format: {json.dumps(shape)[:200]}: not known here")
    return said


def split_thoughts(text: str) -> tuple[str, str | None]:
    """Content and reasoning of a model that thinks up to </think>. One that never ends thinking has said nothing."""
    before, end, after = text.partition("</think>")
    if end:
        return after.lstrip("\n"), before.strip().removeprefix("<think>").strip()
    if text.lstrip().startswith("<think>"):
        return "", text.strip().removeprefix("<think>").strip()
    return text, None


def leave(status: int) -> int:
    """The exit status; at once where vLLM is still computing what nobody waits for, since it does not let itself be asked."""
    if any(thread.name == THREAD for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status
