"""Bundles of responses to be judged."""

from __future__ import annotations

from pathlib import Path

from offline.bundle import SAMPLING, Item, Manifest, make_item, sha256, write_bundle
from offline.judging import presets
from tests.offline.conftest import a_manifest

GOOD = "正確性: [[4]]\n流暢性: [[5]]\n詳細性: [[3]]\n関連性: [[4]]\n総合評価: [[4]]"


def judge_manifest(preset: presets.Preset, **said: object) -> Manifest:
    judge = preset.judge("a-judge", **said)
    return a_manifest(kind="judge", sampling={**SAMPLING, **preset.request_fields()}, judge=judge)


def judge_items(of: Manifest, preset: presets.Preset, responses: list[str]) -> list[Item]:
    found = []
    for number, response in enumerate(responses):
        pair = preset.style == "pair"
        for order in ("ab", "ba") if pair else ("",):
            filled = preset.fill(
                [f"質問 {number}"], [response], other=["もう一つの応答"], order=order or "ab",
                reference="手本", checklist=["要点一", "要点二"],
            )  # fmt: skip
            found.append(
                make_item(
                    of, prompt_id=f"p{number}", model="m1", other="m2" if pair else None, order=order, turn=1,
                    response_sha256=sha256(response), system=filled.system, turns=[{"role": "user", "content": filled.user}],
                )
            )  # fmt: skip
    return found


def judge_bundle(
    folder: Path, name: str = "five-axes-text", responses: list[str] | None = None, **said: object
) -> Path:
    preset = presets.load(name)
    manifest = judge_manifest(preset, **said)
    write_bundle(
        folder,
        manifest,
        judge_items(manifest, preset, responses or [f"応答 {number}" for number in range(10)]),
    )
    return folder
