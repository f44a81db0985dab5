"""A file in LLM-jp's published layout, as large as the published one: invented texts, the same quirks."""

import json
import random
from pathlib import Path

SOURCES = {"ichikara": 100, "elyza": 100, "mt_bench": 80, "vicuna": 80, "rakuda": 44}
LETTERS = [f"llm_{letter}" for letter in "abcdefghij"]
AXES = ["detailedness", "factuality", "fluency", "relevance", "overall"]
TWO_TURNS = "mt_bench"


def rows(prompts: int = 404, seed: int = 1) -> list[dict]:
    """Three ratings per axis, of which a few are "NA" or 0; prompts of one source have two turns."""
    rng = random.Random(seed)
    ids = [(source, n) for source, count in SOURCES.items() for n in range(count)][:prompts]
    return [_row(rng, source, n) for source, n in ids]


def _row(rng: random.Random, source: str, n: int) -> dict:
    return {
        "id": f"{source}###{n}",
        "turns": [
            {
                "prompt": f"{source}の質問{n}、{turn}回目です。",
                "responses": {
                    letter: {
                        "response": f"{letter}の回答。" * rng.randint(1, 20),
                        "human_evals": {axis: [_rating(rng) for _ in range(3)] for axis in AXES},
                    }
                    for letter in LETTERS
                },
            }
            for turn in range(1, 3 if source == TWO_TURNS else 2)
        ],
    }


def _rating(rng: random.Random) -> int | str:
    return rng.choices([1, 2, 3, 4, 5, "NA", 0], [5, 10, 25, 35, 20, 4, 1])[0]


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
