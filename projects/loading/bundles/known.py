"""What a load knows of the bundles in it: their manifests, and on what they were run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from offline.bundle import Manifest, canonical, sha256

if TYPE_CHECKING:
    from projects.loading.loading import Loading

#: Longer texts, such as chat templates, are kept as their hash.
LONGEST_FACT = 300


@dataclass
class Bundles:
    by_job: dict[str, Manifest] = field(default_factory=dict)
    by_items: dict[str, Manifest] = field(default_factory=dict)
    """By the hash of their items."""
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    _facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    _runs: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, loading: Loading) -> Bundles:
        found: Bundles = loading.shared.setdefault(cls, cls())
        return found

    def add(self, manifest: Manifest) -> None:
        self.by_job[manifest.job_id] = manifest
        self.by_items[manifest.items_sha256] = manifest

    def facts(self, job: str) -> dict[str, Any]:
        """What a manifest says of how its answers were made."""
        if job not in self._facts:
            manifest = self.by_job[job]
            template = manifest.chat_template or {}
            said = {
                "job_id": job,
                "manifest_sha256": manifest.digest(),
                "model": manifest.model,
                "engine": manifest.engine,
                "chat_template_sha256": template.get("sha256"),
                "chat_template_kwargs": manifest.chat_template_kwargs,
                "reasoning_parser": manifest.reasoning_parser,
            }
            self._facts[job] = {name: short(value) for name, value in said.items() if value}
        return self._facts[job]

    def run(self, run_id: str) -> dict[str, Any]:
        """What a run was on: versions, back end, platform. Commands and hosts stay in the bundle."""
        if run_id not in self._runs:
            said = self.runs.get(run_id, {})
            kept = ("at", "python", "platform", "versions", "environment", "backend")
            self._runs[run_id] = {"run_id": run_id} | {
                name: short(said[name]) for name in kept if said.get(name)
            }
        return self._runs[run_id]

    def settings(self, manifest: Manifest) -> dict[str, Any]:
        """All of a manifest that decides answers, to keep with a judge."""
        said = asdict(manifest)
        for name in ("job_id", "created_at", "project", "n_items", "n_turns", "items_sha256", "format"):
            del said[name]
        kept: dict[str, Any] = short(said)
        return kept


def short(value: Any) -> Any:
    """The same with long texts as their hash."""
    if isinstance(value, dict):
        return {name: short(part) for name, part in value.items()}
    if isinstance(value, list):
        return (
            {"sha256": sha256(canonical(value))}
            if len(value) > LONGEST_FACT
            else [short(part) for part in value]
        )
    if isinstance(value, str) and len(value) > LONGEST_FACT:
        return {"sha256": sha256(value)}
    return value
