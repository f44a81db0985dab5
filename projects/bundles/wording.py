"""From a prompt to the conversation that a model is asked: options, instructions, and wordings of one's own (variants)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from offline.multiple_choice import Language, NoSuchOption, instruction, lettered
from projects.bundles.errors import NotPrepared
from projects.models import Prompt

PLACEHOLDER = re.compile(r"\{(prompt|options|instruction)\}")
#: How to answer where there is nothing to choose from.
STEP_BY_STEP = {
    "en": "Think step by step before you give your answer.",
    "ja": "順を追って考えてから答えてください。",
}
NAME = re.compile(r"[\w.-]{1,60}")


@dataclass(frozen=True)
class Wording:
    """How prompts are put. `template` is a variant's; None puts the prompt as it is."""

    template: str | None = None
    chain_of_thought: bool = False
    language: Language = "en"

    def of(self, text: str, options: Sequence[str]) -> str:
        """The turn to be answered, in these words.

        Placeholders are replaced in one pass: braces in a prompt are text. A template without {options} has them below
        the question, and one without {instruction} says itself how to answer.
        """
        shown = lettered(options)
        how = self._instruction(bool(options))
        if self.template is None:
            return "\n\n".join(part for part in (text, shown, how) if part)
        if "{options}" not in self.template and shown:
            text = f"{text}\n\n{shown}"
        values = {"prompt": text, "options": shown, "instruction": how}
        return PLACEHOLDER.sub(lambda match: values[match[1]], self.template)

    def _instruction(self, has_options: bool) -> str:
        if has_options:
            return instruction(step_by_step=self.chain_of_thought, language=self.language)
        return STEP_BY_STEP[self.language] if self.chain_of_thought else ""


def wordings(variants: dict[str, str], *, chain_of_thought: bool, language: Language) -> dict[str, Wording]:
    """By name; one without a name where there are no variants. Raises NotPrepared."""
    if not variants:
        return {"": Wording(None, chain_of_thought, language)}
    for name, template in variants.items():
        said = {"name": name}
        if not NAME.fullmatch(name):
            raise NotPrepared(
                _("“%(name)s” is no name for a variant: up to 60 letters, digits, dots, dashes.") % said,
                field="variant",
            )
        if "{prompt}" not in template:
            raise NotPrepared(
                _("Variant “%(name)s”: its template has no {prompt} where the prompt goes.") % said,
                field="variant",
            )
        if chain_of_thought and "{instruction}" not in template:
            raise NotPrepared(
                _(
                    "Variant “%(name)s”: its template has no {instruction} for the request to think step by step; add "
                    "it, or write the request into the template yourself."
                )
                % said,
                field="variant",
            )
    return {name: Wording(template, chain_of_thought, language) for name, template in variants.items()}


@dataclass(frozen=True)
class Asked:
    system: str | None
    turns: list[dict[str, str]]


def conversation(prompt: Prompt, wording: Wording, *, system: str | None = None) -> Asked:
    """What is sent for a prompt: its own system turns, or else `system`; its turns, the first one to be answered in the
    given words. Raises NotPrepared, naming the prompt."""
    turns: list[dict[str, Any]] = list(prompt.turns)
    own = []
    while turns and turns[0]["role"] == "system":
        own.append(turns.pop(0)["content"])
    roles = [turn["role"] for turn in turns]
    if "system" in roles:
        raise _refused(prompt, _("a system turn stands in the middle; only at the beginning can it be sent"))
    if not roles or roles[0] != "user":
        raise _refused(prompt, _("the conversation does not begin with the user"))
    if any(not turn["content"].strip() for turn in turns):
        raise _refused(prompt, _("a turn is empty"))
    places = [
        at for at, role in enumerate(roles) if role == "user" and roles[at + 1 : at + 2] != ["assistant"]
    ]
    if not places:
        raise _refused(prompt, _("every turn is answered in the prompt itself"))
    if wording.template is not None and "{options}" in wording.template and not prompt.options:
        raise _refused(prompt, _("the variant’s template has {options}, and the prompt has none"))
    if any(isinstance(option, list | dict) or option is None for option in prompt.options):
        raise _refused(prompt, _("its options are no texts"))
    options = [str(option) for option in prompt.options]
    said = [{"role": turn["role"], "content": turn["content"]} for turn in turns]
    try:
        said[places[0]]["content"] = wording.of(said[places[0]]["content"], options)
    except NoSuchOption as error:
        raise _refused(prompt, str(error)) from error
    return Asked("\n\n".join(own) or system or None, said)


def _refused(prompt: Prompt, why: str) -> NotPrepared:
    return NotPrepared(_("Prompt “%(key)s”: %(why)s.") % {"key": prompt.key, "why": why})
