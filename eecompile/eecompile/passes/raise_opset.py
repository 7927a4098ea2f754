"""Bring a model up to a newer ONNX opset."""

import onnx_ir as ir

from eengines.errors import BuildError

__all__ = ["raise_opset"]


def raise_opset(model: ir.Model, opset: int) -> None:
    """Raise a model in place to `opset`, if it is older.

    Raises:
        BuildError: an operator cannot be raised.
    """
    from onnxscript.version_converter import convert_version

    before = model.graph.opset_imports[""]
    if before >= opset:
        return
    try:
        convert_version(model, opset)
    except (RuntimeError, ValueError) as error:
        raise BuildError(
            f"graph {model.graph.name!r}",
            f"it cannot be raised from ONNX opset {before} to {opset}: {error}",
            "Export the network at that opset, or choose another precision",
        ) from error
