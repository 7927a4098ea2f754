"""Engines of a GPU for tests: those that run here, and graphs bound to memory of the device."""

from collections.abc import Mapping

import numpy as np
import pytest

from eengines.backends import find_device_backend
from eengines.device import Device, PinnedMemory, Stream
from eengines.device_engine import DeviceBackend, DeviceEngine, PlanOptions
from eengines.tensors import TensorSpec


def backend_that_runs(name: str) -> DeviceBackend:
    """The backend called `name`; the test is skipped where it cannot run."""
    backend = find_device_backend(name)
    capability = backend.probe()
    if not capability.ok:
        pytest.skip(f"{name}: {capability.reason}")
    return backend


def load_graph(backend: DeviceBackend, graph: bytes, device: Device, buckets: tuple[int, ...]) -> DeviceEngine:
    """Build and load a graph for the card that is here."""
    options = PlanOptions(buckets=buckets, compute_capability=device.compute_capability)
    with device.use():
        return backend.load(backend.build(graph, options, lambda _: None), device)


class BoundGraph:
    """An engine with buffers of its own on a device."""

    def __init__(self, engine: DeviceEngine, device: Device, bucket: int) -> None:
        self._engine, self._device, self._bucket = engine, device, bucket
        self.stream: Stream = device.stream()
        specs = (*engine.inputs, *engine.outputs)
        self._memory = {spec.name: device.memory(bucket * spec.row_bytes) for spec in specs}
        self._workspace = device.memory(max(1, engine.workspace_bytes(bucket)))
        addresses = {name: memory.address for name, memory in self._memory.items()}
        self.session = engine.open(bucket, addresses, workspace=self._workspace.address, stream=self.stream)

    def put(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Copy inputs to the device."""
        for spec in self._engine.inputs:
            pinned = self._device.pinned(self._bucket * spec.row_bytes)
            _rows(pinned, spec, self._bucket)[:] = inputs[spec.name]
            self._device.copy(self._memory[spec.name].address, pinned.address, pinned.nbytes, self.stream)
            self.stream.synchronize()

    def take(self) -> dict[str, np.ndarray]:
        """Copy outputs to the host."""
        found = {}
        for spec in self._engine.outputs:
            pinned = self._device.pinned(self._bucket * spec.row_bytes)
            self._device.copy(pinned.address, self._memory[spec.name].address, pinned.nbytes, self.stream)
            self.stream.synchronize()
            found[spec.name] = _rows(pinned, spec, self._bucket).copy()
        return found


def _rows(pinned: PinnedMemory, spec: TensorSpec, rows: int) -> np.ndarray:
    return pinned.array.view(spec.storage).reshape(rows, *spec.shape)
