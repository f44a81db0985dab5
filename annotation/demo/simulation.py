"""What simulated raters say: a latent quality for each response, seen by people who differ in severity and care.

The qualities are our own judgement of the demo's responses; they carry no claim about any real model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

AXES = ("relevance", "fluency", "accuracy", "detail", "overall")

# On the scale's own units, 1 to 5, in the order of AXES. The last axis is drawn from the others as well.
QUALITY: Mapping[str, tuple[float, ...]] = {
    "hoshizora-70b": (4.7, 4.8, 4.7, 4.5, 4.7),
    "minato-13b": (4.2, 4.3, 4.2, 3.4, 3.9),
    "kazaguruma-8b": (3.1, 3.8, 2.0, 3.6, 2.6),
    "mameshiba-1b": (2.2, 2.7, 1.9, 1.3, 1.6),
}
# Where a response is better or worse than its model usually is.
EXCEPTIONS: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("demo-ja-01", "mameshiba-1b"): {"relevance": 1.0, "accuracy": 1.8, "fluency": 0.8},
    ("demo-ja-03", "kazaguruma-8b"): {"accuracy": -0.8, "relevance": 0.6},
    ("demo-ja-03", "minato-13b"): {"accuracy": 0.6, "detail": 0.5},
    ("demo-ja-04", "mameshiba-1b"): {"relevance": -0.8},
    ("demo-ja-05", "kazaguruma-8b"): {"accuracy": 0.5},
    ("demo-ja-06", "kazaguruma-8b"): {"relevance": -1.4, "accuracy": -0.7, "overall": -0.8},
    ("demo-ja-06", "minato-13b"): {"detail": 0.8},
    ("demo-ja-07", "kazaguruma-8b"): {"accuracy": 1.0},
    ("demo-ja-08", "minato-13b"): {"detail": 0.7, "overall": 0.5},
    ("demo-ja-08", "kazaguruma-8b"): {"relevance": -0.6, "accuracy": 0.4},
    ("demo-ja-10", "mameshiba-1b"): {"fluency": -1.2, "relevance": -0.5},
    ("demo-ja-11", "mameshiba-1b"): {"accuracy": 0.4},
    ("demo-ja-12", "kazaguruma-8b"): {"relevance": -0.3},
    ("demo-en-01", "kazaguruma-8b"): {"relevance": -1.0},
    ("demo-en-03", "kazaguruma-8b"): {"accuracy": -0.8},
    ("demo-en-03", "mameshiba-1b"): {"fluency": -1.3},
    ("demo-en-04", "kazaguruma-8b"): {"relevance": -0.9, "overall": -0.5},
}
# What somebody who reads attentively would remark; said by some of the raters only.
REMARKS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("demo-ja-01", "kazaguruma-8b"): (
        "日付が6月18日になっている。台風の話も依頼にない。",
        "納品日が違うので、このままでは送れません。",
    ),
    ("demo-ja-01", "mameshiba-1b"): ("内容は合っているが、取引先に送る文面ではない。",),
    ("demo-ja-02", "kazaguruma-8b"): (
        "set は挿入順を保ちません。",
        "`in` での比較なら O(n) ではなく O(n²) です。",
    ),
    ("demo-ja-02", "mameshiba-1b"): ("並べ替えているだけで、重複が残る。",),
    ("demo-ja-03", "kazaguruma-8b"): ("和の種類を同様に確からしいとみなしている。答えは 5/12。",),
    ("demo-ja-04", "kazaguruma-8b"): ("のぞみで1時間50分は速すぎる。料金も違う。",),
    ("demo-ja-05", "kazaguruma-8b"): ("『枕草子』の冒頭ではない。",),
    ("demo-ja-05", "mameshiba-1b"): ("よくある誤解のほうを本来の意味として説明している。",),
    ("demo-ja-06", "kazaguruma-8b"): (
        "80字を大きく超えている。二倍、一本もない、など本文と違う。",
        "要約になっていない。",
    ),
    ("demo-ja-06", "mameshiba-1b"): ("要点がなく、感想になっている。",),
    ("demo-ja-07", "kazaguruma-8b"): ("「休日も勉強を」は、相談への答えとしてどうか。",),
    ("demo-ja-08", "kazaguruma-8b"): ("終電を逃したのに電車で帰っている。",),
    ("demo-ja-09", "kazaguruma-8b"): ("兼六園を造ったのは前田家。香箱ガニは雌。",),
    ("demo-ja-09", "mameshiba-1b"): ("金沢は石川県です。",),
    ("demo-ja-10", "kazaguruma-8b"): (
        "太陽の温度は夕方に下がらない。",
        "途中から小学生には読めない説明になる。",
    ),
    ("demo-ja-10", "mameshiba-1b"): ("前半が英語。",),
    ("demo-ja-11", "kazaguruma-8b"): ("1と3は直っていない。",),
    ("demo-ja-12", "kazaguruma-8b"): ("五・七・五になっていない。季重なり。",),
    ("demo-en-01", "kazaguruma-8b"): ("Uses induction although asked not to; 1+3+5+7 is 16.",),
    ("demo-en-02", "kazaguruma-8b"): ("DATE_SUB is MySQL, and an aggregate in WHERE is an error.",),
    ("demo-en-03", "kazaguruma-8b"): ("There is no such law.",),
    ("demo-en-04", "kazaguruma-8b"): ("Not firm at all: “no rush” says the opposite.",),
}
SPREAD_OF_RESPONSES = 0.35
SPREAD_OF_SEVERITY = 0.4
CARELESSNESS = (0.5, 1.15)  # standard deviations of the noise, from the most careful rater to the least
CANNOT_JUDGE = {"accuracy": 0.04, "detail": 0.01, "fluency": 0.01}
OVERALL_FROM_OTHERS = 0.35
A_REMARK = 0.45
A_FLAG_ON_A_REMARK = 0.15


@dataclass(frozen=True)
class Said:
    """One simulated rating: a value per axis, None for "cannot judge"."""

    scores: dict[str, int | None]
    comment: str
    flagged: bool
    seconds: float


class SimulatedRaters:
    """Raters 0 to n-1. The same seed makes the same people and the same qualities."""

    def __init__(self, *, raters: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.severity = self.rng.normal(0, SPREAD_OF_SEVERITY, raters)
        self.noise = np.linspace(*CARELESSNESS, raters)
        self.pace = self.rng.uniform(0.7, 1.4, raters)
        self._qualities: dict[tuple[str, str, int], np.ndarray] = {}

    def quality(self, prompt: str, model: str, turn: int) -> np.ndarray:
        """How good the response is, the same for all who read it."""
        key = (prompt, model, turn)
        if key not in self._qualities:
            own = np.array([EXCEPTIONS.get((prompt, model), {}).get(axis, 0.0) for axis in AXES])
            spread = self.rng.normal(0, SPREAD_OF_RESPONSES, len(AXES)) + self.rng.normal(
                0, SPREAD_OF_RESPONSES / 2
            )
            self._qualities[key] = np.array(QUALITY[model]) + own + spread
        return self._qualities[key]

    def rate(self, rater: int, *, prompt: str, model: str, turn: int, length: int) -> Said:
        seen = self.quality(prompt, model, turn) - self.severity[rater]
        seen = seen + self.rng.normal(0, self.noise[rater], len(AXES))
        seen[-1] = OVERALL_FROM_OTHERS * seen[:-1].mean() + (1 - OVERALL_FROM_OTHERS) * seen[-1]
        values = np.clip(np.rint(seen), 1, 5).astype(int)
        scores: dict[str, int | None] = {axis: int(value) for axis, value in zip(AXES, values, strict=True)}
        for axis, often in CANNOT_JUDGE.items():
            if self.rng.random() < often:
                scores[axis] = None
        remarks = REMARKS.get((prompt, model), ())
        comment = str(self.rng.choice(remarks)) if remarks and self.rng.random() < A_REMARK else ""
        flagged = bool(comment) and self.rng.random() < A_FLAG_ON_A_REMARK
        seconds = self.pace[rater] * (25 + length / 9) * self.rng.lognormal(0, 0.25)
        return Said(scores=scores, comment=comment, flagged=flagged, seconds=round(float(seconds), 1))
