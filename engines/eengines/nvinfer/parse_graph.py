"""Read an ONNX graph into a network, or say why not."""

from collections.abc import Iterator
from dataclasses import dataclass

from eengines.backends.external_weights import refuse_external_weights
from eengines.errors import EngineError
from eengines.nvinfer import api
from eengines.nvinfer.differences import creation_flags, node_of
from eengines.nvinfer.library_api import TensorRt
from eengines.nvinfer.messages import logger_of

__all__ = ["ParsedGraph", "parse_graph"]

OPERATOR = "Leave the operator out of the network, or choose another --engine"
NOISE = "catchCudaError"
"""A parser that finds no driver mentions it in errors about something else."""

REMEDIES = (
    ("has type Int32 but must have type", "Build with --target, which writes INT8 as TensorRT reads it"),
    ("Failed to parse the ONNX model", "Build the bundle again"),
)
"""Part of an error → what to do; else the operator is to blame."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ParsedGraph:
    """A network, and what must live as long: the parser owns the weights."""

    builder: api.Builder
    network: api.INetworkDefinition
    parser: api.OnnxParser


def parse_graph(trt: TensorRt, graph: bytes) -> ParsedGraph:
    """Read a serialized graph with a symbolic batch axis in front of every input and output.

    Raises:
        EngineError: it has weights in other files, an operator is not supported, or an axis is not as said.
    """
    refuse_external_weights(graph, "segment")
    logger = logger_of(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(creation_flags(trt))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph):
        raise _refusal([parser.get_error(index) for index in range(parser.num_errors)])
    for tensor in _borders(network):
        batch, *rest = tuple(tensor.shape) or (0,)
        if batch >= 0 or any(size < 0 for size in rest):
            raise EngineError(
                f"tensor {tensor.name!r}",
                f"got {list(tensor.shape)}, expected a symbolic batch axis in front and fixed axes behind",
                "Build the bundle again",
            )
    return ParsedGraph(builder=builder, network=network, parser=parser)


def _borders(network: api.INetworkDefinition) -> Iterator[api.ITensor]:
    """Inputs, then outputs."""
    yield from (network.get_input(index) for index in range(network.num_inputs))
    yield from (network.get_output(index) for index in range(network.num_outputs))


def _refusal(errors: list[api.ParserError]) -> EngineError:
    """One error for all that the parser found."""
    if not errors:
        return EngineError("graph", "TensorRT cannot read it and gives no reason", "Build the bundle again")
    texts = [_words(error.desc()) for error in errors]
    others = [f"{node_of(error)}: {text}" for error, text in zip(errors[1:], texts[1:], strict=True)]
    remedy = next((remedy for part, remedy in REMEDIES if part in " ".join(texts)), OPERATOR)
    return EngineError(node_of(errors[0]), "; ".join((f"TensorRT cannot read it: {texts[0]}", *others)), remedy)


def _words(text: str) -> str:
    """A description in one line."""
    lines = [line.strip().rstrip(".") for line in text.splitlines()]
    return "; ".join(line for line in lines if line and NOISE not in line)
