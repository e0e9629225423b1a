"""The area under the ROC curve against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.errors import MetricsError
from emostress_ros.metrics import auroc, roc_curve

items = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=1, max_size=60)


@given(items)
def test_auroc_is_how_often_a_positive_scores_above_a_negative(pairs):
    truth = np.array([int(label) for label, _ in pairs])
    score = np.array([value / 8 for _, value in pairs])
    positive, negative = score[truth == 1], score[truth == 0]
    area = auroc(truth, score)
    if not len(positive) or not len(negative):
        assert math.isnan(area) and not len(roc_curve(truth, score)[0])
        return
    above = positive[:, None] > negative
    equal = positive[:, None] == negative
    assert area == pytest.approx(float(np.mean(above + 0.5 * equal)))
    false, true = roc_curve(truth, score)
    assert (false[0], true[0], false[-1], true[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2)) == pytest.approx(area)


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(MetricsError, match="finite"):
        auroc([0, 1], [0.1, math.nan])
    with pytest.raises(MetricsError, match="0 and 1"):
        auroc([0, 2], [0.1, 0.2])
    with pytest.raises(MetricsError, match="shape"):
        auroc([0, 1], [0.1])
