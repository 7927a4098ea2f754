"""An engine of the host, run by a CPU device."""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from eengines.device import Stream
from eengines.devices.cpu_stream import own_stream
from eengines.engine import Engine, Session
from eengines.tensors import Array, TensorSpec

__all__ = ["HostEngine"]


@dataclass(frozen=True, kw_only=True, eq=False)
class HostSession:
    """A session of the host as enqueued work."""

    session: Session
    capturable: bool = True

    def enqueue(self, stream: Stream) -> None:
        """See `DeviceSession.enqueue`."""
        own_stream(stream).call(self.session.run)


class HostEngine:
    """A `DeviceEngine` on a `CpuDevice`: the engine's arrays are the device's memory."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The graph's inputs, in its order."""
        return self._engine.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The graph's outputs, in its order."""
        return self._engine.outputs

    def workspace_bytes(self, bucket: int) -> int:  # noqa: ARG002 - engines of the host keep their own
        """See `DeviceEngine.workspace_bytes`: 0."""
        return 0

    def open(self, bucket: int, addresses: Mapping[str, int], *, workspace: int, stream: Stream) -> HostSession:  # noqa: ARG002 - as above, and any stream will do
        """See `DeviceEngine.open`."""

        def arrays(specs: tuple[TensorSpec, ...]) -> dict[str, Array]:
            return {spec.name: _at(addresses[spec.name], spec, bucket) for spec in specs}

        return HostSession(session=self._engine.open(arrays(self.inputs), arrays(self.outputs)))


def _at(address: int, spec: TensorSpec, rows: int) -> Array:
    """The rows of a value at an address."""
    block = (ctypes.c_uint8 * (rows * spec.row_bytes)).from_address(address)
    return np.ctypeslib.as_array(block).view(spec.storage).reshape(rows, *spec.shape)
