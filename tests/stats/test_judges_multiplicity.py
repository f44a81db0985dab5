"""False discovery rates, against SciPy and the authors of the alternative annotator test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import false_discovery_control

from stats.judges.multiplicity import benjamini_hochberg, benjamini_yekutieli

P_VALUES = hnp.arrays(float, hnp.array_shapes(min_dims=1, max_dims=2, max_side=12), elements=st.floats(0, 1))


def test_the_published_rejections(vectors):
    entry = vectors["judge/alt-test-by-procedure"]
    for p, rejected in zip(entry["inputs"]["p"], entry["expected"]["rejected_indices"], strict=True):
        found = benjamini_yekutieli(np.array(p)) <= entry["inputs"]["q"]
        assert np.flatnonzero(found).tolist() == rejected


@given(P_VALUES)
def test_scipy_adjusts_the_same(p):
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p, axis=-1, method="bh"))
    assert benjamini_yekutieli(p) == pytest.approx(false_discovery_control(p, axis=-1, method="by"))


def test_no_tests_have_no_findings():
    assert benjamini_hochberg(np.empty((3, 0))).shape == (3, 0)
    assert benjamini_yekutieli(np.empty(0)).shape == (0,)
