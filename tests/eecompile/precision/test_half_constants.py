"""What half precision does to constants."""

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from eecompile.precision.half_constants import half_constant

FLOAT16, BFLOAT16 = ir.DataType.FLOAT16, ir.DataType.BFLOAT16


@given(values=arrays.arrays(np.float32, arrays.array_shapes(max_dims=2, max_side=5), elements=st.floats(width=32)))
def test_counts(values):
    constant = half_constant("w", values, FLOAT16)
    back = constant.values.astype(np.float64)
    # 65520 is where rounding to nearest leaves float16, 2⁻²⁵ where it reaches zero
    magnitude = np.abs(values.astype(np.float64))
    assert constant.overflowing == (np.isfinite(values) & (magnitude >= 65520)).sum()
    assert constant.vanishing == ((magnitude > 0) & (magnitude <= 2.0**-25)).sum()
    inside = (magnitude < 65520) & (magnitude >= 2.0**-14)
    assert np.all(np.abs(back[inside] - values[inside]) <= 2.0**-11 * magnitude[inside])


@pytest.mark.parametrize(
    ("values", "spoiled"),
    [([1, 1e5], True), ([1e-9], True), ([1e-9, 1], False), ([0.0], False), ([np.inf, -1], False), ([], False)],
)
def test_spoiled(values, spoiled):
    assert half_constant("w", np.array(values, np.float32), FLOAT16).spoiled is spoiled


def test_bfloat16_has_the_range_of_float32():
    constant = half_constant("w", np.array([1e38, 1e-30], np.float32), BFLOAT16)
    assert constant.values.dtype == ml_dtypes.bfloat16
    assert not constant.spoiled
    assert half_constant("w", np.array([np.finfo(np.float32).max], np.float32), BFLOAT16).overflowing == 1
