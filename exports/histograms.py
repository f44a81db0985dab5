"""From a file of a release back to what agreement is computed from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from stats.agreement import PatternHistogram

_COLUMNS = {
    "prompt_id": pa.string(),
    "model": pa.string(),
    "turn": pa.int64(),
    "sample": pa.int64(),
    "axis": pa.string(),
    "score": pa.float64(),
    "purpose": pa.string(),
}


def histograms(
    path: Path, *, points: Mapping[str, npt.ArrayLike], purposes: Collection[str] = ("main",)
) -> dict[str, PatternHistogram]:
    """The histogram of each axis in a long table (CSV, TSV or Parquet): the same as from the database.

    `points` has the values of each axis' points, which a long table does not say. A row without a score is "cannot
    judge". Counted are ratings of `purposes`: independent ones of the design.
    """
    table = _read(path)
    table = table.filter(
        pc.is_in(table["purpose"].cast(pa.string()), pa.array(sorted(purposes), pa.string()))
    )
    found = {}
    for axis, values in points.items():
        rows = table.filter(pc.equal(table["axis"].cast(pa.string()), axis))
        found[axis] = PatternHistogram.from_long(
            values=values,
            prompt=_names(rows, "prompt_id"),
            model=_names(rows, "model"),
            turn=rows["turn"].to_numpy(),
            sample=rows["sample"].to_numpy(),
            score=rows["score"].cast(pa.float64()).to_numpy(),
        )
    return found


def _read(path: Path) -> Any:
    if path.suffix == ".parquet":
        return pq.read_table(path, columns=list(_COLUMNS))
    return pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(
            delimiter="\t" if path.suffix == ".tsv" else ",", newlines_in_values=True
        ),
        convert_options=pyarrow.csv.ConvertOptions(column_types=_COLUMNS, include_columns=list(_COLUMNS)),
    )


def _names(rows: Any, column: str) -> npt.NDArray[np.str_]:
    return np.asarray(rows[column].cast(pa.string()).to_pylist(), dtype=np.str_)
