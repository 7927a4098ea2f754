"""What a running server says of a model."""

from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from eengines.errors import UserError
from eerun.bench.server.connection_pool import Address
from eerun.bench.server.http_json import ask_json

__all__ = ["ServedModel", "served_model"]

LABEL, EXIT_INDEX = "label", "exit_index"


class TensorMetadata(msgspec.Struct):
    """An input or output in a model's metadata."""

    name: str


class ModelMetadata(msgspec.Struct):
    """Answer to `GET v2/models/{model}`."""

    name: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    platform: str = ""


class IndexEntry(msgspec.Struct):
    """A line of Triton's repository index."""

    name: str


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model on a server.

    Attributes:
        name: its name there.
        platform: what runs it.
        inputs: names of its inputs.
        wanted: the outputs to ask for: label and exit where it has both, which are short and can be checked; else
            none, which means all.
    """

    name: str
    platform: str
    inputs: tuple[str, ...]
    wanted: tuple[str, ...]


def served_model(address: Address, name: str | None) -> ServedModel:
    """Ask a server for a model.

    Args:
        address: the server.
        name: its name; None: the only one.

    Raises:
        EngineError: no answer, or not that of an inference server.
        UserError: there are several models, or none.
    """
    metadata = ask_json(address, f"v2/models/{quote(name or _only(address), safe='')}", ModelMetadata)
    assert isinstance(metadata, ModelMetadata)  # noqa: S101 - the type that was asked for
    outputs = {output.name for output in metadata.outputs}
    return ServedModel(
        name=metadata.name,
        platform=metadata.platform,
        inputs=tuple(tensor.name for tensor in metadata.inputs),
        wanted=(LABEL, EXIT_INDEX) if {LABEL, EXIT_INDEX} <= outputs else (),
    )


def _only(address: Address) -> str:
    index = ask_json(address, "v2/repository/index", list[IndexEntry], method="POST")
    assert isinstance(index, list)  # noqa: S101 - as above
    names = sorted({entry.name for entry in index})
    if len(names) != 1:
        words = ", ".join(names) or "none"
        where = f"http://{address.host}:{address.port}"
        raise UserError(where, f"expected one model, it serves {words}", "Give --model")
    return str(names[0])
