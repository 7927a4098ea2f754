"""Convert constants to half precision, and see what that does to them."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from eengines.tensors import Array

__all__ = ["HalfConstant", "half_constant"]


@dataclass(frozen=True, kw_only=True)
class HalfConstant:
    """A float32 constant in half precision.

    Attributes:
        name: of the constant.
        dtype: FLOAT16 or BFLOAT16.
        values: the constant in that type, rounded to nearest.
        overflowing: number of finite elements that became infinite.
        vanishing: number of elements other than zero that became zero.
        largest: largest finite magnitude before.
        spoiled: the constant is of no use in this type: an element overflows, or every element that was not zero is
            now (a small term that guards a division, say). Single weights that vanish among others do no harm.
    """

    name: str
    dtype: ir.DataType
    values: Array
    overflowing: int
    vanishing: int
    largest: float
    spoiled: bool

    @property
    def reason(self) -> str:
        """What is wrong with it, in words."""
        half = self.dtype.name.lower()
        if self.overflowing:
            return f"constant {self.name!r} overflows in {half}: {self.overflowing} elements, up to {self.largest:.3g}"
        return f"constant {self.name!r} vanishes in {half}: {self.vanishing} elements, up to {self.largest:.3g}"


def half_constant(name: str, values: Array, dtype: ir.DataType) -> HalfConstant:
    """Convert `values`, float32 of any shape. Infinite elements stay infinite and do not count as overflowing."""
    with np.errstate(over="ignore", under="ignore"):
        half = values.astype(dtype.numpy())
    finite = np.isfinite(values)
    overflowing = int((finite & ~np.isfinite(half)).sum())
    filled = int(np.count_nonzero(values))
    vanishing = filled - int(np.count_nonzero(half))
    return HalfConstant(
        name=name,
        dtype=dtype,
        values=half,
        overflowing=overflowing,
        vanishing=vanishing,
        largest=float(np.abs(values[finite]).max(initial=0.0)),
        spoiled=overflowing > 0 or 0 < filled == vanishing,
    )
