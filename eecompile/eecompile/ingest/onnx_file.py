"""Load a multi-output ONNX graph: safe, it holds no code."""

from collections.abc import Sequence
from pathlib import Path

import onnx_ir as ir

from eengines.errors import IngestError

__all__ = ["load_onnx"]

BATCH = "batch"
LEAST_OPSET = 18


def load_onnx(path: Path, exits: Sequence[str] | None) -> ir.Model:
    """Read a graph, bring it to opset 18 or newer, and choose its exits.

    Args:
        path: the file; external weights must lie in its folder.
        exits: outputs that are exits, shallow to deep; None: all, in order.

    Raises:
        IngestError: no ONNX file, a fixed batch, or an unknown exit.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        onnx.checker.check_model(str(path))
        proto = onnx.load(str(path))
    except (DecodeError, OSError, onnx.checker.ValidationError) as error:
        raise IngestError(str(path), f"not a valid ONNX file: {str(error).strip()}", "Export it again") from error
    opset = next((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), 0)
    if opset < LEAST_OPSET:
        try:
            proto = onnx.version_converter.convert_version(proto, LEAST_OPSET)
        except (RuntimeError, ValueError) as error:
            raise IngestError(
                str(path), f"opset {opset} does not convert to {LEAST_OPSET}: {error}", "Export with a newer opset"
            ) from error
    model = ir.from_proto(proto)
    _name_nodes(model)
    _choose_exits(model, exits, str(path))
    _rename_batch(model, str(path))
    return model


def _name_nodes(model: ir.Model) -> None:
    """Give every node a name of its own."""
    seen: set[str] = set()
    for index, node in enumerate(model.graph):
        if not node.name or node.name in seen:
            node.name = f"{node.op_type}_{index}"
        seen.add(node.name)


def _choose_exits(model: ir.Model, exits: Sequence[str] | None, where: str) -> None:
    """Keep the outputs that are exits, in the order given."""
    if exits is None:
        return
    outputs = {value.name: value for value in model.graph.outputs}
    unknown = [name for name in exits if name not in outputs]
    if unknown:
        raise IngestError(where, f"no output {unknown[0]!r}, it has {', '.join(map(str, outputs))}", "Correct --exits")
    model.graph.outputs[:] = [outputs[name] for name in exits]


def _rename_batch(model: ir.Model, where: str) -> None:
    """The batch must be symbolic in every input; it is called `batch` from here on."""
    for value in model.graph.inputs:
        if value.shape is None or not len(value.shape) or isinstance(value.shape[0], int):
            raise IngestError(
                f"{where}, input {value.name!r}",
                f"got shape {value.shape}, expected a symbolic batch axis in front",
                "Export with a dynamic batch axis (dynamic_shapes or dynamic_axes)",
            )
        value.shape = ir.Shape([BATCH, *tuple(value.shape)[1:]])
