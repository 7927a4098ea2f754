"""Checks that every backend makes before it binds arrays."""

from collections.abc import Iterable, Mapping

from eengines.errors import EngineError
from eengines.tensors import Array, TensorSpec

__all__ = ["check_binding"]


def check_binding(specs: Iterable[TensorSpec], arrays: Mapping[str, Array]) -> int:
    """Check that `arrays` fits `specs`, and return the number of rows that all arrays share.

    Raises:
        EngineError: an array is missing, is not C-contiguous, or has another dtype, shape or number of rows.
    """
    rows: int | None = None
    for spec in specs:
        array = arrays.get(spec.name)
        if array is None:
            raise EngineError(f"tensor {spec.name!r}", "no array was given for it", "Bind every input and output")
        expected = f"{spec.storage} [{'rows' if rows is None else rows}, {', '.join(map(str, spec.shape))}]"
        if (
            array.dtype != spec.storage
            or array.shape[1:] != spec.shape
            or not array.flags.c_contiguous
            or (rows is not None and array.shape[0] != rows)
        ):
            got = f"{array.dtype.name} {list(array.shape)}{'' if array.flags.c_contiguous else ', not contiguous'}"
            raise EngineError(
                f"tensor {spec.name!r}", f"got {got}, expected {expected}, contiguous", "Bind such an array"
            )
        rows = array.shape[0]
    if not rows:
        raise EngineError("binding", "got no rows, expected at least 1", "Bind arrays with a batch axis in front")
    return rows
