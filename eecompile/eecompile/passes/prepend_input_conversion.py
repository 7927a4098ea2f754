"""Put conversion and normalisation of raw inputs in front of the graph: the network sees `(raw · scale − mean) / std`.

1. An input keeps its name; the value that the network reads is renamed.
2. `NHWC` samples are transposed, other dtypes are cast to the network's.
3. The formula is one product and one difference: `raw · (scale / std) − mean / std`, in the network's dtype. Either is
   left out where it would do nothing.
4. An input that the network takes as it is stays untouched.

A row of a folded network is a group of images, `[batch, images, ...]`: each image is converted by itself.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from eecompile.input_info import InputInfo
from eengines.errors import IngestError
from eengines.tensors import Array
from eerun.bundle import LENGTH

__all__ = ["prepend_input_conversion"]

BATCH = "batch"


def prepend_input_conversion(model: ir.Model, inputs: Sequence[InputInfo], *, fold: int = 1) -> None:
    """Change the graph in place so that it takes raw samples.

    Args:
        model: its inputs are what the network sees, batch in front.
        inputs: what the user has, one for each input, in order.
        fold: images a row; 1: a row is one sample.

    Raises:
        IngestError: the shape does not fit the network's input.
    """
    rows: tuple[int | str, ...] = (BATCH,) if fold == 1 else (BATCH, fold)
    for index, info in enumerate(inputs):
        network = model.graph.inputs[index]
        dims = list(network.shape or [])
        _check(info, dims, rows)
        nodes = _conversion(info, network, len(dims), channels=len(rows))
        if not nodes:
            continue
        raw = ir.Value(
            name=info.name,
            type=ir.TensorType(ir.DataType.from_numpy(np.dtype(info.dtype))),
            shape=ir.Shape([*rows, *_symbolic(info, info.shape)]),
        )
        network.name = f"{info.name}/network"
        model.graph.inputs[index] = raw
        _insert(model.graph, raw, network, nodes, info.name)


def _conversion(
    info: InputInfo, network: ir.Value, rank: int, *, channels: int
) -> list[tuple[str, Array | None, dict[str, Any]]]:
    """The operators that turn raw samples into what the network reads: (operator, second operand, attributes).

    `channels` is the network's axis of channels, behind those that count samples.
    """
    steps: list[tuple[str, Array | None, dict[str, Any]]] = []
    dtype = network.dtype or ir.DataType.FLOAT
    if info.layout == "NHWC":
        steps.append(("Transpose", None, {"perm": [*range(channels), rank - 1, *range(channels, rank - 1)]}))
    if np.dtype(info.dtype) != dtype.numpy():
        steps.append(("Cast", None, {"to": int(dtype)}))
    std = np.asarray(1.0 if info.std is None else info.std, np.float64)
    factor = (1.0 if info.scale is None else float(info.scale)) / std
    offset = np.asarray(0.0 if info.mean is None else info.mean, np.float64) / std
    if (factor != 1).any():
        steps.append(("Mul", _per_channel(factor, rank - channels, dtype), {}))
    if (offset != 0).any():
        steps.append(("Sub", _per_channel(offset, rank - channels, dtype), {}))
    return steps


def _per_channel(value: Array, axes: int, dtype: ir.DataType) -> Array:
    """A scalar, or one number for each channel, the first of a sample's `axes`."""
    shape = [] if value.size == 1 else [1, value.size, *([1] * (axes - 1))]
    return value.reshape(shape).astype(dtype.numpy())


def _insert(
    graph: ir.Graph,
    raw: ir.Value,
    network: ir.Value,
    steps: Sequence[tuple[str, Array | None, dict[str, Any]]],
    name: str,
) -> None:
    """Chain the operators from `raw`, and let their result take the place of `network`."""
    value, nodes = raw, []
    for operator, operand, attributes in steps:
        operands = [value]
        if operand is not None:
            weight_name = f"{name}/{operator.lower()}_weight"
            weight = ir.Value(name=weight_name, const_value=ir.tensor(operand, name=weight_name))
            graph.register_initializer(weight)
            operands.append(weight)
        node = ir.node(operator, operands, attributes, name=f"{name}/{operator.lower()}")
        value = node.outputs[0]
        value.name = f"{name}/{operator.lower()}_value"
        value.type = raw.type if operator == "Transpose" else network.type
        nodes.append(node)
    network.replace_all_uses_with(value)
    first = next(iter(graph))
    graph.insert_before(first, nodes)


def _symbolic(info: InputInfo, shape: Sequence[int]) -> tuple[int | str, ...]:
    """A shape of one sample, with the name of the sequence axis in the place of its size."""
    return tuple(LENGTH if axis == info.sequence else size for axis, size in enumerate(shape))


def _check(info: InputInfo, dims: Sequence[Any], rows: Sequence[int | str]) -> None:
    """The raw shape must be the network's, behind the axes that count samples."""
    expected = (*rows[1:], *_symbolic(info, info.network_shape))
    if expected != tuple(getattr(dim, "value", dim) for dim in dims[1:]):
        raise IngestError(
            f"input {info.name!r}",
            f"raw samples of shape {list(info.shape)} (layout {info.layout}) give {list(expected)}, "
            f"the network takes {list(dims[1:])}",
            "Correct the shape or the layout",
        )
