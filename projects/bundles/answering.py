"""Who answers, and with which settings: what bundles for generating and for judging have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from offline.bundle import SAMPLING, SEED_RULE, Kind, Manifest, sha256
from projects.bundles.errors import NotPrepared
from projects.bundles.sampling import NAMES, read_sampling
from projects.models import Project

LONGEST_NAME = 300


@dataclass(frozen=True)
class Answering:
    """A model with its settings. `sampling` says what differs from the defaults; the manifest writes out every field."""

    name: str
    """As the project calls it: its responses, or its scores, are loaded under this name."""
    path: str = ""
    """What the server loads; the name if empty."""
    revision: str = ""
    tokenizer_revision: str = ""
    quantization: str = ""
    lora: str = ""
    served_name: str = ""
    """What the server calls it, where that is neither."""
    unsupported: tuple[str, ...] = ()
    """Sampling fields that are not sent, to servers that refuse what they do not know."""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    engine: Mapping[str, Any] = field(default_factory=dict)
    chat_template: str = ""
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    reasoning_parser: str = ""
    seed: int = 0

    def manifest(
        self, kind: Kind, project: Project, *, sampling: Mapping[str, Any] | None = None, **more: Any
    ) -> Manifest:
        """`sampling` are defaults of the kind of work. Raises NotPrepared."""
        if not 0 < len(self.name.strip()) <= LONGEST_NAME or "\0" in self.name:
            raise NotPrepared(
                _("A model’s name has 1 to %(most)s characters.") % {"most": LONGEST_NAME}, field="model"
            )
        if unknown := sorted(set(self.unsupported) - set(NAMES)):
            raise NotPrepared(
                _("%(name)s: there is no such sampling field; there are: %(known)s.")
                % {"name": ", ".join(unknown), "known": ", ".join(NAMES)},
                field="leave_out",
            )
        model: dict[str, Any] = {
            "name": self.name.strip(),
            "path": self.path,
            "revision": self.revision,
            "tokenizer_revision": self.tokenizer_revision,
            "quantization": self.quantization,
            "lora": self.lora,
            "served_name": self.served_name,
            "unsupported": sorted(self.unsupported),
        }
        return Manifest(
            kind=kind,
            project=project.slug,
            model={name: value for name, value in model.items() if value},
            sampling={**SAMPLING, **read_sampling({**(sampling or {}), **self.sampling})},
            seed={"base": self.seed, "rule": SEED_RULE},
            engine=dict(self.engine),
            chat_template=(
                {"text": self.chat_template, "sha256": sha256(self.chat_template)}
                if self.chat_template
                else None
            ),
            chat_template_kwargs=dict(self.chat_template_kwargs),
            reasoning_parser=self.reasoning_parser,
            **more,
        )
