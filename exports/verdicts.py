"""Verdicts on pairs as the arrays that win rates and rankings are made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from django.db.models import QuerySet

from exports.models import JudgeRun, JudgeVerdict
from stats.ranking.battles import Verdicts


@dataclass(frozen=True, slots=True)
class JudgedPairs:
    verdicts: Verdicts
    models: tuple[str, ...]
    """Names, by their index."""
    prompts: tuple[str, ...]
    """Keys, by their index."""


def read_verdicts(runs: QuerySet[JudgeRun]) -> JudgedPairs:
    """What these runs said of pairs. A pair that was shown in one order only has NaN for the other.

    How sure a judge was does not count: A>>B is a win like A>B.
    """
    found: dict[tuple[object, ...], list[float]] = {}
    rows = JudgeVerdict.objects.filter(run__in=runs).order_by("pk").values_list(
        "run", "first__prompt__key", "first__model__name", "second__model__name", "first__sample", "second__sample",
        "turn", "axis", "repeat", "value",
    )  # fmt: skip
    for run, prompt, first, second, sample_1, sample_2, turn, axis, repeat, value in rows.iterator(
        chunk_size=2000
    ):
        a, b = (first, sample_1), (second, sample_2)
        swapped = b < a
        key = (run, prompt, *((b, a) if swapped else (a, b)), turn, axis, repeat)
        got = np.nan if value is None else (np.sign(value) * (-1 if swapped else 1) + 1) / 2
        found.setdefault(key, [np.nan, np.nan])[swapped] = float(got)
    models = tuple(sorted({side[0] for key in found for side in (key[2], key[3])}))  # type: ignore[index]
    prompts = tuple(dict.fromkeys(str(key[1]) for key in found))
    model_at = {name: at for at, name in enumerate(models)}
    prompt_at = {name: at for at, name in enumerate(prompts)}
    given = np.array(list(found.values()), dtype=np.float64).reshape(-1, 2)
    return JudgedPairs(
        Verdicts(
            prompt=np.array([prompt_at[str(key[1])] for key in found], dtype=np.int64),
            first=np.array([model_at[key[2][0]] for key in found], dtype=np.int64),  # type: ignore[index]
            second=np.array([model_at[key[3][0]] for key in found], dtype=np.int64),  # type: ignore[index]
            one=given[:, 0],
            other=given[:, 1],
            n_models=len(models),
        ),
        models,
        prompts,
    )
