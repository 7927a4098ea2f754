"""Too few calibration samples."""

import pytest

from eecalib.int8.check_samples import ENOUGH_SAMPLES, check_samples
from eengines.errors import DataError


def test_no_samples_are_refused():
    with pytest.raises(DataError, match="got 0 samples"):
        check_samples(0)


@pytest.mark.parametrize("samples", [1, ENOUGH_SAMPLES - 1])
def test_few_samples_are_warned_of_with_the_reason(samples):
    warning = check_samples(samples)
    assert warning is not None
    assert f"got {samples} samples" in warning
    assert f"1 in {samples + 1} new samples" in warning


def test_enough_samples_give_no_warning():
    assert ENOUGH_SAMPLES == 128
    assert check_samples(ENOUGH_SAMPLES) is None
