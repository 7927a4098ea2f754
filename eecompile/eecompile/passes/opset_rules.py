"""Operators that older ONNX opsets have in another form: one rule each, which changes the node in place.

A rule is given the graph, the node and the opset to reach. What it leaves alone, `lower_opset` checks against the older
definition.
"""

from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from eengines.errors import BuildError

__all__ = ["HARMLESS", "RULES"]

HARMLESS = frozenset(
    {
        # these say how to round to 8-bit floats, and types older than those have no use for them
        ("Cast", "saturate"),
        ("Cast", "round_mode"),
        ("CastLike", "saturate"),
        ("CastLike", "round_mode"),
        ("QuantizeLinear", "saturate"),
        # the precision of an inner division; older versions leave it open
        ("QuantizeLinear", "precision"),
    }
)
"""(operator, attribute) that may be dropped whatever its value."""

KEEPING_ONE = frozenset({"ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd"})
"""Reductions that return a single element as it is."""


def _reduce(graph: ir.Graph, node: ir.Node, opset: int) -> None:
    """Before 18, axes are an attribute and none of them means all; ReduceSum has them as an input since 13."""
    if opset >= 18:
        return
    axes = _constant(node, 1, "axes")
    noop = node.attributes.get_int("noop_with_empty_axes", 0)
    node.attributes.pop("noop_with_empty_axes", None)
    if noop and (axes is None or axes.size == 0):
        if node.op_type not in KEEPING_ONE:
            raise _newer(node, "a reduction over no axes", 18)
        _replace_by_identity(graph, node)
        return
    if axes is not None and axes.size:
        node.attributes["axes"] = ir.AttrInt64s("axes", [int(axis) for axis in axes])
    node.resize_inputs(1)


def _replace_by_identity(graph: ir.Graph, node: ir.Node) -> None:
    old = node.outputs[0]
    made = ir.node("Identity", [node.inputs[0]], name=node.name)
    ir.convenience.replace_nodes_and_values(graph, node, [node], [made], [old], [made.outputs[0]])


def _split(graph: ir.Graph, node: ir.Node, opset: int) -> None:
    """Before 18 there is no `num_outputs`; without sizes all parts are equal."""
    count = node.attributes.get_int("num_outputs", 0)
    if opset >= 18 or not count:
        return
    axis = node.attributes.get_int("axis", 0)
    size = None if node.inputs[0] is None or node.inputs[0].shape is None else node.inputs[0].shape[axis]
    if not isinstance(size, int):
        raise _newer(node, f"num_outputs={count} over axis {axis}, whose size is not known,", 18)
    del node.attributes["num_outputs"]
    if size % count == 0:
        return
    part = -(-size // count)
    sizes = [part] * (count - 1) + [size - part * (count - 1)]
    if sizes[-1] < 0:
        raise _newer(node, f"num_outputs={count} over an axis of {size}", 18)
    _set_input(graph, node, 1, np.array(sizes, np.int64), "split")


def _pad(graph: ir.Graph, node: ir.Node, opset: int) -> None:
    """Before 18 there are no axes, pads are given for all; `wrap` came with 19."""
    if opset < 19 and node.attributes.get_string("mode", "constant") == "wrap":
        raise _newer(node, "mode 'wrap'", 19)
    axes = _constant(node, 3, "axes") if opset < 18 else None
    if axes is None:
        return
    pads = _constant(node, 1, "pads")
    shape = None if node.inputs[0] is None else node.inputs[0].shape
    if pads is None or shape is None:
        raise _newer(node, "axes with a value of unknown rank", 18)
    full = np.zeros((2, len(shape)), np.int64)
    full[:, axes] = pads.reshape(2, -1)
    _set_input(graph, node, 1, full.reshape(-1), "pads")
    node.resize_inputs(3)


def _pool(graph: ir.Graph, node: ir.Node, opset: int) -> None:  # noqa: ARG001 (all rules have one signature)
    """Before 19 (AveragePool) and 18 (LpPool) there are no dilations; ones say nothing."""
    if set(node.attributes.get_ints("dilations", ())) == {1} and opset < 19:
        del node.attributes["dilations"]


def _resize(graph: ir.Graph, node: ir.Node, opset: int) -> None:  # noqa: ARG001
    """`half_pixel_symmetric` came with 19; other differences are attributes."""
    if opset < 19 and node.attributes.get_string("coordinate_transformation_mode", "") == "half_pixel_symmetric":
        raise _newer(node, "coordinate_transformation_mode 'half_pixel_symmetric'", 19)


def _scatter(graph: ir.Graph, node: ir.Node, opset: int) -> None:  # noqa: ARG001
    """The reductions `max` and `min` came with 18."""
    reduction = node.attributes.get_string("reduction", "none")
    if opset < 18 and reduction in {"max", "min"}:
        raise _newer(node, f"reduction {reduction!r}", 18)


def _grid_sample(graph: ir.Graph, node: ir.Node, opset: int) -> None:  # noqa: ARG001
    """Before 20 images only, and two modes had other names."""
    if opset >= 20:
        return
    image = node.inputs[0]
    if image is None or image.shape is None or len(image.shape) != 4:
        raise _newer(node, "sampling of other than images [batch, channels, height, width]", 20)
    mode = node.attributes.get_string("mode", "linear")
    node.attributes["mode"] = ir.AttrString("mode", {"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode))


def _quantise(graph: ir.Graph, node: ir.Node, opset: int) -> None:
    """Before 21 the zero point alone tells the type; without one it is uint8."""
    if opset >= 21 or "output_dtype" not in node.attributes:
        return
    dtype = ir.DataType(node.attributes.get_int("output_dtype", 0))
    del node.attributes["output_dtype"]
    has_zero = len(node.inputs) > 2 and node.inputs[2] is not None
    if has_zero or dtype in {ir.DataType.UNDEFINED, ir.DataType.UINT8}:
        return
    scale = node.inputs[1]
    if scale is None or scale.shape is None or not scale.shape.is_static():
        raise _newer(node, f"output_dtype {dtype.name.lower()} with a scale of unknown shape", 21)
    _set_input(graph, node, 2, np.zeros(scale.shape.numpy(), dtype.numpy()), "zero_point")


def _dequantise(graph: ir.Graph, node: ir.Node, opset: int) -> None:  # noqa: ARG001
    """Before 23 the scale alone tells the type of the result."""
    dtype = node.attributes.get_int("output_dtype", 0)
    if opset < 23 and node.inputs[1] is not None and dtype in {0, int(node.inputs[1].dtype or 0)}:
        node.attributes.pop("output_dtype", None)


def _set_input(graph: ir.Graph, node: ir.Node, index: int, array: np.ndarray, stem: str) -> None:
    """Give a node a constant of its own."""
    name = f"{node.outputs[0].name}/{stem}"
    value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
    value.type, value.shape = ir.TensorType(ir.DataType.from_numpy(array.dtype)), ir.Shape(array.shape)
    graph.register_initializer(value)
    if len(node.inputs) <= index:
        node.resize_inputs(index + 1)
    node.replace_input_with(index, value)


def _constant(node: ir.Node, index: int, word: str) -> np.ndarray | None:
    """A constant input; None if there is none.

    Raises:
        BuildError: it is computed in the graph.
    """
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is None:
        return None
    if value.const_value is None:
        raise _newer(node, f"{word} that are computed in the graph", 18)
    return value.const_value.numpy()


def _newer(node: ir.Node, what: str, version: int) -> BuildError:
    return BuildError(
        f"node {node.name!r} ({node.op_type})",
        f"{what} came with ONNX opset {version}",
        "Write it otherwise in the network, or choose a newer target",
    )


_REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")

RULES: Mapping[str, Callable[[ir.Graph, ir.Node, int], None]] = {
    **{f"Reduce{kind}": _reduce for kind in _REDUCTIONS},
    "AveragePool": _pool,
    "DequantizeLinear": _dequantise,
    "GridSample": _grid_sample,
    "LpPool": _pool,
    "Pad": _pad,
    "QuantizeLinear": _quantise,
    "Resize": _resize,
    "ScatterElements": _scatter,
    "ScatterND": _scatter,
    "Split": _split,
}
"""Operator → its rule."""
