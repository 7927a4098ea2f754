"""`config.pbtxt`: Triton's description of a model, a `ModelConfig` in protobuf's text format."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eecompile.export.settings import InstanceKind
from eengines.errors import UserError
from eerun.bundle import InputEntry

__all__ = ["ModelFacts", "config_text"]

DATA_TYPES = {
    "bool": "TYPE_BOOL",
    "uint8": "TYPE_UINT8",
    "uint16": "TYPE_UINT16",
    "uint32": "TYPE_UINT32",
    "uint64": "TYPE_UINT64",
    "int8": "TYPE_INT8",
    "int16": "TYPE_INT16",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
}
"""Triton's names of element types, by numpy's."""


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a configuration says.

    Attributes:
        name: of the model.
        inputs: as the bundle declares them.
        output_shape: of one sample's logits.
        max_batch: the most samples of a batch.
        max_queue_delay_us: how long Triton may hold a request to join others to it, in microseconds.
        kind: what an instance runs on.
        parameters: strings for the program, by name.
    """

    name: str
    inputs: Sequence[InputEntry]
    output_shape: Sequence[int]
    max_batch: int
    max_queue_delay_us: int
    kind: InstanceKind
    parameters: Mapping[str, str]


def config_text(facts: ModelFacts) -> str:
    """Return the text of `config.pbtxt`.

    There is one instance of the model (on GPUs one for each card), because its scheduler shares one engine among all
    requests. Requests of different lengths may be handed over together, so an input with a sequence axis is ragged.

    Raises:
        UserError: Triton has no such input.
    """
    per_sample = list(facts.output_shape[1:]) or [1]
    delay = f" max_queue_delay_microseconds: {facts.max_queue_delay_us}" if facts.max_queue_delay_us else ""
    blocks = [
        f"name: {_quoted(facts.name)}",
        'backend: "python"',
        f"max_batch_size: {facts.max_batch}",
        *(_input(entry) for entry in facts.inputs),
        _tensor("output", "logits", "TYPE_FP32", facts.output_shape),
        _tensor("output", "label", "TYPE_INT64", per_sample),
        _tensor("output", "exit_index", "TYPE_INT32", [1]),
        _tensor("output", "exit_confidence", "TYPE_FP32", [1]),
        f"instance_group [ {{ kind: KIND_{facts.kind.upper()} count: 1 }} ]",
        f"dynamic_batching {{{delay} }}",
        *(_parameter(name, value) for name, value in facts.parameters.items()),
    ]
    return "\n".join(blocks) + "\n"


def _input(entry: InputEntry) -> str:
    """An input; the axis of a sequence has any size."""
    data_type = DATA_TYPES.get(entry.dtype)
    if data_type is None or not entry.shape:
        problem = f"got {entry.dtype} {list(entry.shape)}, which Triton's Python backend does not take"
        raise UserError(f"input {entry.name!r}", problem, "Build the network with another input")
    dims = [-1 if axis == entry.sequence else size for axis, size in enumerate(entry.shape)]
    return _tensor("input", entry.name, data_type, dims, ragged=entry.sequence is not None)


def _tensor(side: str, name: str, data_type: str, dims: Sequence[int], *, ragged: bool = False) -> str:
    """An input or output; dims are without the batch axis."""
    sizes = ", ".join(str(size) for size in dims)
    more = " allow_ragged_batch: true" if ragged else ""
    return f"{side} [ {{ name: {_quoted(name)} data_type: {data_type} dims: [ {sizes} ]{more} }} ]"


def _parameter(name: str, value: str) -> str:
    return f"parameters {{ key: {_quoted(name)} value {{ string_value: {_quoted(value)} }} }}"


def _quoted(text: str) -> str:
    """A string of protobuf's text format; what is not ASCII stays as it is."""
    return json.dumps(text, ensure_ascii=False)
