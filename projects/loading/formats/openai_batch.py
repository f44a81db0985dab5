"""Batch files of OpenAI's service and of `vllm run-batch`: what was asked, and what came back, in any order.

A line of output does not say what it answers. Either it came back for a bundle, and its `custom_id` is an item and a turn;
or the file of requests is loaded with it; or the `custom_id` is the id of a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from projects.loading.bundles.known import Bundles
from projects.loading.bundles.records import AnsweredRecord
from projects.loading.fields import BadRow, Columns
from projects.loading.formats.base import MOST_SAMPLES, Format
from projects.loading.formats.contents import storable, wrong
from projects.loading.formats.foreign import Texts, flagged, named
from projects.loading.records import Record, ResponseRecord
from projects.tables import Problem, Row, quoted, say
from projects.tables.messages import _

OF_A_BUNDLE = re.compile(r"([0-9a-f]{32})-([0-9]{1,3})(?:-[0-9]+)?")
REQUESTS = "batch requests"


class RequestFormat(Format):
    """What was asked: `custom_id`, `method`, `url`, `body`. It holds nothing by itself."""

    name = "openai-batch-requests"
    about = _("Batch file: requests")
    certain = True
    rank = 1

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all(
            {"custom_id", "body"} <= set(row.values) and "response" not in row.values for row in rows
        )

    def records(self, row: Row) -> Iterator[Record]:
        custom_id, body = row.values["custom_id"], row.values["body"]
        if not isinstance(custom_id, str) or not custom_id:
            raise wrong(row, "custom_id", _("Here should be text."))
        messages = body.get("messages") if isinstance(body, dict) else None
        if not isinstance(messages, list) or not all(
            isinstance(one, dict) and isinstance(one.get("content"), str | list) for one in messages
        ):
            raise wrong(row, "body.messages", _("Here should be a list of messages."))
        asked = self.loading.shared.setdefault(REQUESTS, {})
        if not OF_A_BUNDLE.fullmatch(custom_id) or not Bundles.of(self.loading).by_job:
            said = [(one.get("role"), _text(one["content"])) for one in messages]
            try:
                of = self._of(row, custom_id, said)
            except BadRow as bad:  # what is unknown is the answer to it
                raise BadRow(*bad.problems, why=bad.why and BadRow.ASKED) from None
            if asked.get(custom_id, of) != of:
                raise wrong(row, "custom_id", _("Two requests have this id."))
            asked[custom_id] = of
        yield from ()

    def _of(self, row: Row, custom_id: str, said: list[tuple[Any, str]]) -> tuple[str, bool, list[str]]:
        """The prompt, whether all of its turns are asked, and the answers that were given with the question."""
        texts = Texts.of(self.loading)
        users = [text for role, text in said if role == "user"]
        if custom_id in texts.keys:
            prompt, whole = custom_id, len(users) >= len(texts.keys[custom_id])
        else:
            prompt, whole = texts.found(row, users, "body.messages")
        return prompt, whole, texts.answers(prompt, said)

    def finish(self) -> None:
        """Everything was told where it was met."""


class OutputFormat(Format):
    name = "openai-batch"
    about = _("Batch file: answers of OpenAI’s service or of vLLM")
    called: ClassVar = {"prompt_id": "custom_id", "response": "response", "model": "response"}
    certain = True
    asks_more = True
    names_vary = True

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all({"custom_id", "response", "error"} <= set(row.values) for row in rows)

    def records(self, row: Row) -> Iterator[Record]:
        custom_id = row.values["custom_id"]
        if not isinstance(custom_id, str) or not custom_id:
            raise wrong(row, "custom_id", _("Here should be text."))
        body, error = _outcome(row)
        of_bundle = OF_A_BUNDLE.fullmatch(custom_id)
        if of_bundle and Bundles.of(self.loading).by_job:
            yield self._of_bundle(row, of_bundle[1], int(of_bundle[2]), body, error)
            return
        if body is None:
            self.loading.leave_out("failed")
            reason = say(_("This request failed, and was left out: %(error)s"), error=quoted(error, 200))
            self.loading.problems.warn(Problem(reason, row.place()), key=("failed", self.table.name))
            return
        prompt, whole, earlier = self._asked(row, custom_id)
        if not whole and not self.loading.options.partial:
            self.loading.leave_out("incomplete")
            return
        model = named(self.loading, row, body.get("model"), "response.body.model")
        for at, choice in enumerate(_choices(row, body)):
            turns = [*earlier, _content(row, choice, at)]
            generation = {
                "engine": "openai-batch",
                "finish_reason": choice.get("finish_reason"),
                "usage": body.get("usage"),
                "served_model": body.get("model"),
                "system_fingerprint": body.get("system_fingerprint"),
                "reasoning": _reasoning(choice),
                "request_id": row.values["response"].get("request_id"),
                "verified": False,
            }
            index = choice.get("index", at)
            if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index <= MOST_SAMPLES:
                path = f"response.body.choices[{at}].index"
                raise wrong(row, path, _("Here should be a whole number from 0 on."))
            yield ResponseRecord(
                row=row,
                prompt=prompt,
                model=model,
                turns=turns,
                sample=index,
                generation=flagged(
                    turns,
                    storable({name: value for name, value in generation.items() if value not in (None, "")}),
                    [*([None] * len(earlier)), choice.get("finish_reason")],
                ),
            )

    def _asked(self, row: Row, custom_id: str) -> tuple[str, bool, list[str]]:
        requests: dict[str, tuple[str, bool, list[str]]] = self.loading.shared.get(REQUESTS, {})
        if custom_id in requests:
            return requests[custom_id]
        turns = Texts.of(self.loading).keys.get(custom_id)
        if turns is not None:
            return custom_id, sum(turns) == 1, []
        reason = say(_("What “%(id)s” answers is not known."), id=quoted(custom_id))
        advice = say(_("Load it with the file of requests, or with the bundle that it was made from."))
        raise BadRow(Problem(reason, row.place("custom_id"), "custom_id", advice), why=BadRow.UNKNOWN)

    @staticmethod
    def _of_bundle(row: Row, item: str, turn: int, body: dict[str, Any] | None, error: str) -> Record:
        if body is None:
            return AnsweredRecord(row, "", item, turn, False, False, True, "", {}, {}, error)
        choice = next(iter(_choices(row, body)))
        said = {
            "finish_reason": choice.get("finish_reason"),
            "truncated": choice.get("finish_reason") == "length",
            "usage": body.get("usage"),
            "served_model": body.get("model"),
            "system_fingerprint": body.get("system_fingerprint"),
            "reasoning": _reasoning(choice),
            "request_id": row.values["response"].get("request_id"),
        }
        kept = storable({name: value for name, value in said.items() if value not in (None, "")})
        return AnsweredRecord(row, "", item, turn, True, True, False, _content(row, choice, 0), kept, {})

    def finish(self) -> None:
        """Everything was told where it was met."""


def _outcome(row: Row) -> tuple[dict[str, Any] | None, str]:
    """The body of a success, or what is said of a failure: in `error` as OpenAI has it, as an object within an object or as
    mere text as vLLM does, or as a status."""
    response, error = row.values["response"], row.values["error"]
    status = response.get("status_code") if isinstance(response, dict) else None
    body = response.get("body") if isinstance(response, dict) else None
    if not error and status in (200, None) and isinstance(body, dict) and "choices" in body:
        return body, ""
    for found in (error, body):
        if isinstance(found, dict) and isinstance(found.get("error"), dict):
            found = found["error"]
        if isinstance(found, dict) and found.get("message"):
            return None, f"{found.get('code') or found.get('type') or status}: {found['message']}"
        if isinstance(found, str) and found:
            return None, found
    return None, f"status {status}"


def _choices(row: Row, body: dict[str, Any]) -> list[dict[str, Any]]:
    choices = body["choices"]
    if not isinstance(choices, list) or not choices or not all(isinstance(one, dict) for one in choices):
        raise wrong(row, "response.body.choices", _("Here should be a list of answers that is not empty."))
    return choices


def _content(row: Row, choice: dict[str, Any], at: int) -> str:
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if content is None and isinstance(message, dict):
        return ""  # all of it was thought, or refused
    if not isinstance(content, str):
        raise wrong(row, f"response.body.choices[{at}].message.content", _("There is no answer here."))
    return content


def _reasoning(choice: dict[str, Any]) -> Any:
    message = choice.get("message")
    return (
        (message.get("reasoning") or message.get("reasoning_content")) if isinstance(message, dict) else None
    )


def _text(content: Any) -> str:
    """A message's text, which may stand in parts."""
    if isinstance(content, str):
        return content
    return "".join(
        part.get("text", "")
        for part in content
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    )
