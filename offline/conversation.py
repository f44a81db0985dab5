"""What is sent: the messages of a conversation so far, and the request around them."""

from __future__ import annotations

from typing import Any

from offline.bundle import Item, Manifest


def turns_of(item: Item) -> dict[int, int]:
    """Number of each turn to be answered, counting user turns from 1, and its place among the messages."""
    users = [place for place, turn in enumerate(item.turns) if turn["role"] == "user"]
    return {users.index(place) + 1: place for place in item.answered}


def messages(item: Item, place: int, said: dict[int, str]) -> list[dict[str, str]]:
    """What is sent: everything up to the turn at `place`, each answer behind its question, without what was thought before it."""
    sent = [{"role": "system", "content": item.system}] if item.system else []
    for at, turn in enumerate(item.turns[: place + 1]):
        sent.append({"role": turn["role"], "content": turn["content"]})
        if at in said:
            sent.append({"role": "assistant", "content": said[at]})
    return sent


def request(manifest: Manifest, item: Item, asked: list[dict[str, str]], seed: int) -> dict[str, Any]:
    """The body of a chat completion, every sampling field written out."""
    body: dict[str, Any] = {
        "model": served_name(manifest),
        "messages": asked,
        **manifest.sampling,
        **item.params,
        "seed": seed,
    }
    if not body.get("stop"):
        body.pop("stop", None)
    if manifest.chat_template:
        body["chat_template"] = manifest.chat_template["text"]
    if manifest.chat_template_kwargs:
        body["chat_template_kwargs"] = manifest.chat_template_kwargs
    for name in manifest.model.get("unsupported", ()):  # hosted servers refuse what only vLLM knows
        body.pop(name, None)
    return body


def served_name(manifest: Manifest) -> str:
    """The model's name in requests. An adapter has one of its own beside the model that it adapts."""
    model = manifest.model
    if model.get("lora"):
        return str(model.get("served_name") or model["name"])
    return str(model.get("served_name") or model.get("path") or model["name"])
