"""Float32 matrix products, where TensorRT for RTX refuses them: it has none for SM75.

constant weight   → a convolution with a kernel of 1x1: the same sums, in another order
anything else     → cast to float16 and back
"""

from collections.abc import Sequence

from eengines.nvinfer import api
from eengines.nvinfer.library_api import TensorRt
from eengines.nvinfer.wiring import Wiring

__all__ = ["repair_gemm"]

REFUSAL = "FP32 GEMM is not supported"

MAX_RANK = 4
"""A convolution has two axes besides batch and channels; products of higher rank are cast."""


def repair_gemm(trt: TensorRt, network: api.INetworkDefinition, refusal: str) -> tuple[str, ...]:
    """Rewrite every float32 product of a network, if that is what it was refused for.

    Returns:
        one sentence for each that was rewritten; empty: nothing was.
    """
    if REFUSAL not in refusal:
        return ()
    kinds = {int(trt.LayerType.MATRIX_MULTIPLY), int(trt.LayerType.EINSUM)}
    notes = []
    for layer in Wiring(network).layers:
        output, wiring = layer.get_output(0), Wiring(network)
        if int(layer.type) in kinds and output.dtype == trt.DataType.FLOAT and wiring.is_read(output):
            product = _as_product(trt, layer)
            if product is not None and _has_plain_weight(trt, product, wiring):
                _as_convolution(trt, network, product, wiring)
                notes.append(f"{layer.name}: float32 product with a weight, written as a 1x1 convolution")
            else:
                _in_half(trt, network, layer, wiring)
                notes.append(f"{layer.name}: float32 product computed in float16, the library has none in float32")
    return tuple(notes)


def _as_product(trt: TensorRt, layer: api.ILayer) -> api.IMatrixMultiplyLayer | None:
    """The layer with its own attributes; the library returns layers of a network as their base class."""
    if int(layer.type) != int(trt.LayerType.MATRIX_MULTIPLY):
        return None
    layer.__class__ = trt.IMatrixMultiplyLayer  # pybind11's way to cast down
    return layer  # type: ignore[return-value] # as above


def _has_plain_weight(trt: TensorRt, product: api.IMatrixMultiplyLayer, wiring: Wiring) -> bool:
    """Whether the right operand is one constant matrix for all of the batch, and the left one rows of features."""
    left, right = _inputs(product)
    shape = tuple(right.shape)
    return (
        int(product.op0) == int(trt.MatrixOperation.NONE)
        and int(product.op1) in {int(trt.MatrixOperation.NONE), int(trt.MatrixOperation.TRANSPOSE)}
        and 2 <= len(shape) == len(tuple(left.shape)) <= MAX_RANK
        and all(size == 1 for size in shape[:-2])
        and min(shape) > 0
        and wiring.is_constant(right)
    )


def _as_convolution(
    trt: TensorRt, network: api.INetworkDefinition, product: api.IMatrixMultiplyLayer, wiring: Wiring
) -> None:
    """`[batch, *rows, inputs] @ [inputs, outputs]`, with inputs and outputs as channels.

    The kernel stays a tensor, so that a weight behind Q/DQ keeps its rounding.
    """
    left, right = _inputs(product)
    rank, output = len(tuple(left.shape)), product.get_output(0)
    first, second = tuple(right.shape)[-2:]
    transposed = int(product.op1) == int(trt.MatrixOperation.TRANSPOSE)
    outputs, inputs = (first, second) if transposed else (second, first)

    kernel = network.add_shuffle(right)
    if not transposed:
        kernel.first_transpose = (*range(rank - 2), rank - 1, rank - 2)
    kernel.reshape_dims = (outputs, inputs, 1, 1)

    channels_first = network.add_shuffle(left)
    channels_first.first_transpose = (0, rank - 1, *range(1, rank - 1))
    channels_first.reshape_dims = (*(0,) * rank, *(1,) * (MAX_RANK - rank))

    convolution = network.add_convolution_nd(
        channels_first.get_output(0), outputs, (1, 1), trt.Weights(), trt.Weights()
    )
    convolution.set_input(1, kernel.get_output(0))
    convolution.name = f"{product.name}/convolution"

    channels_last = network.add_shuffle(convolution.get_output(0))
    channels_last.reshape_dims = (0,) * rank
    channels_last.second_transpose = (0, *range(2, rank), 1)
    wiring.replace(output, channels_last.get_output(0))


def _in_half(trt: TensorRt, network: api.INetworkDefinition, layer: api.ILayer, wiring: Wiring) -> None:
    """Cast all inputs of a layer to float16, and its result back."""
    output = layer.get_output(0)
    for index, tensor in enumerate(_inputs(layer)):
        layer.set_input(index, network.add_cast(tensor, trt.DataType.HALF).get_output(0))
    wiring.replace(output, network.add_cast(output, trt.DataType.FLOAT).get_output(0))


def _inputs(layer: api.ILayer) -> Sequence[api.ITensor]:
    tensors = [layer.get_input(index) for index in range(layer.num_inputs)]
    return [tensor for tensor in tensors if tensor is not None]
