"""What is said about thresholds that were tuned on few samples, or that let nobody leave."""

import pytest

from eecompile.build.report import SplitReport
from eecompile.refresh.tune_warnings import tune_warnings


def split(samples: int, *shares: float) -> SplitReport:
    return SplitReport(
        samples=samples,
        shares=shares,
        accuracy=None,
        accuracy_final=None,
        accuracy_float32=None,
        exit_accuracy_all=None,
        agreement=1.0,
        expected_ms=1.0,
        expected_ms_without_exits=1.0,
    )


@pytest.mark.parametrize(
    ("samples", "max_drop", "enough"), [(299, 0.01, 300), (300, 0.01, None), (28, 0.1, 30), (28, 0.0, None)]
)
def test_too_few_samples_for_the_allowed_drop(samples, max_drop, enough):
    way = split(samples, 0.5, 0.5)
    found = tune_warnings([("a", way, way)], max_drop)
    assert len(found) == (enough is not None)
    for words in found:
        assert f"tuned on {samples} samples, which cannot show that a drop of {max_drop:.2%} is kept" in words
        assert words.endswith(f": {enough} can (95 %)")


def test_nobody_leaves_where_somebody_did():
    off, some = split(400, 0.0, 0.0, 1.0), split(400, 0.5, 0.11, 0.39)
    (words,) = tune_warnings([("a", some, off), ("b", some, some), ("c", off, off), ("d", off, some)], 0.01)
    assert words == (
        "nobody leaves early any more in a (61.0% did): the search found no thresholds that save time and keep a drop "
        "of 1.00% on 400 samples"
    )
