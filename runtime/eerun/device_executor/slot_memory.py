"""Everything in memory that one batch in flight needs."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eengines.device import DeviceView, Memory, Stream
from eengines.tensors import Array, TensorSpec
from eerun.device_executor.device_chain import DeviceChain

__all__ = ["SlotMemory"]


class SlotMemory:
    """Buffers of every value, pinned memory for what comes in and goes out, and the block of activations.

    Attributes:
        values: device buffers `[rows, ...]` by name.
        header: on the device, `int32 rows` and `float32 thresholds[exits]`.
        states: on the device, for each exit: `int32 rows, sample[rows]`, which sample each row holds after it.
        workspace: activations, shared by all sessions.
        outputs: pinned, `[rows, classes] float32` by sample.
        exit_index: pinned, `[rows] int32`.
        confidence: pinned, `[rows] float32`.
        signal: pinned, `[exits, 2] int32`: survivors, and rows to run next.
    """

    def __init__(self, chain: DeviceChain, *, buckets: Sequence[int]) -> None:
        device, rows, exits = chain.device, buckets[-1], len(chain.engines)
        self._device = device
        self._inputs = chain.chain.inputs
        self.values: Mapping[str, Memory] = {
            spec.name: device.memory(max(1, rows * spec.row_bytes)) for spec in chain.layout.specs.values()
        }
        self._staging = {spec.name: device.pinned(max(1, rows * spec.row_bytes)) for spec in self._inputs}
        self.header = device.memory(4 * (1 + exits))
        self._header = device.pinned(4 * (1 + exits))
        self.states = tuple(device.memory(4 * (1 + rows)) for _ in range(exits))
        self.workspace = device.memory(max(1, chain.workspace_bytes(buckets)))
        self.outputs = device.pinned(4 * rows * chain.classes)
        self.exit_index = device.pinned(4 * rows)
        self.confidence = device.pinned(4 * rows)
        self.signal = device.pinned(8 * exits)
        self._classes, self._rows = chain.classes, rows

    def address(self, name: str) -> int:
        """Where the buffer of a value begins."""
        return self.values[name].address

    def load(
        self, given: Mapping[str, Array | DeviceView], rows: slice, thresholds: Sequence[float], stream: Stream
    ) -> None:
        """Enqueue copies of some samples, of their number and of the thresholds (NaN: nobody leaves)."""
        self.load_samples(given, rows, stream)
        self._header.array[:4].view(np.int32)[0] = rows.stop - rows.start
        self._header.array[4:].view(np.float32)[:] = thresholds
        self._device.copy(self.header.address, self._header.address, self._header.nbytes, stream)

    def load_samples(self, given: Mapping[str, Array | DeviceView], rows: slice, stream: Stream) -> None:
        """Enqueue copies of some samples."""
        for spec in self._inputs:
            source = self._source(given[spec.name], spec, rows)
            self._device.copy(self.address(spec.name), source, (rows.stop - rows.start) * spec.row_bytes, stream)

    def answers(self, rows: int) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
        """Logits, exit and score of the first samples, as the device left them."""
        return (
            self.outputs.array.view(np.float32).reshape(self._rows, self._classes)[:rows],
            self.exit_index.array.view(np.int32)[:rows],
            self.confidence.array.view(np.float32)[:rows],
        )

    def signalled(self, exit_index: int) -> tuple[int, int]:
        """Survivors of an exit, and rows to run next."""
        signal: NDArray[np.int32] = self.signal.array.view(np.int32)
        return int(signal[2 * exit_index]), int(signal[2 * exit_index + 1])

    def _source(self, given: Array | DeviceView, spec: TensorSpec, rows: slice) -> int:
        """Address of samples: where they are on the device, or pinned memory that they are copied to."""
        if isinstance(given, DeviceView):
            return given.address + int(rows.start) * spec.row_bytes
        staging = self._staging[spec.name]
        count = rows.stop - rows.start
        target = staging.array[: count * spec.row_bytes].view(spec.storage).reshape(count, *spec.shape)
        np.copyto(target, given[rows])
        return staging.address
