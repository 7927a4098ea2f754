"""Everything in memory that one batch in flight needs."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eengines.device import DeviceView, Memory, Stream
from eengines.tensors import Array, TensorSpec
from eerun.device_executor.device_chain import DeviceChain
from eerun.folding import rows_of

__all__ = ["SlotMemory"]


class SlotMemory:
    """Buffers of every value, pinned memory for what comes in and goes out, and the block of activations.

    A row holds one sample or, of a folded network, a group of `fold` images, which are its samples.

    Attributes:
        values: device buffers `[rows, ...]` by name.
        header: on the device, `int32 samples` and `float32 thresholds[exits]`.
        states: on the device, for each exit: `int32 rows, sample[rows]`, which sample each row holds after it; of a
            folded network which group, and `uint32 passed[rows]`, the bits of its images that are answered.
        workspace: activations, shared by all sessions.
        outputs: pinned, `[samples, classes] float32`.
        exit_index: pinned, `[samples] int32`.
        confidence: pinned, `[samples] float32`.
        signal: pinned, `[exits, 2] int32`: survivors, and rows to run next.
    """

    def __init__(self, chain: DeviceChain, *, buckets: Sequence[int]) -> None:
        device, rows, exits = chain.device, buckets[-1], len(chain.engines)
        self._device = device
        self._inputs, self._fold = chain.sample_inputs, chain.fold
        self.values: Mapping[str, Memory] = {
            spec.name: device.memory(max(1, rows * spec.row_bytes)) for spec in chain.layout.specs.values()
        }
        self._samples = rows * self._fold
        self._staging = {spec.name: device.pinned(max(1, self._samples * spec.row_bytes)) for spec in self._inputs}
        self.header = device.memory(4 * (1 + exits))
        self._header = device.pinned(4 * (1 + exits))
        state = rows if self._fold == 1 else 2 * rows
        self.states = tuple(device.memory(4 * (1 + state)) for _ in range(exits))
        self.workspace = device.memory(max(1, chain.workspace_bytes(buckets)))
        self.outputs = device.pinned(4 * self._samples * chain.classes)
        self.exit_index = device.pinned(4 * self._samples)
        self.confidence = device.pinned(4 * self._samples)
        self.signal = device.pinned(8 * exits)
        self._classes = chain.classes

    def address(self, name: str) -> int:
        """Where the buffer of a value begins."""
        return self.values[name].address

    def load(
        self, given: Mapping[str, Array | DeviceView], samples: slice, thresholds: Sequence[float], stream: Stream
    ) -> None:
        """Enqueue copies of some samples, of their number and of the thresholds (NaN: nobody leaves)."""
        self.load_samples(given, samples, stream)
        self._header.array[:4].view(np.int32)[0] = samples.stop - samples.start
        self._header.array[4:].view(np.float32)[:] = thresholds
        self._device.copy(self.header.address, self._header.address, self._header.nbytes, stream)

    def load_samples(self, given: Mapping[str, Array | DeviceView], samples: slice, stream: Stream) -> None:
        """Enqueue copies of some samples; the last row of a folded network is filled up with the last of them."""
        count = samples.stop - samples.start
        missing = rows_of(count, self._fold) * self._fold - count
        for spec in self._inputs:
            value, target = given[spec.name], self.address(spec.name)
            if isinstance(value, DeviceView):
                source = value.address + int(samples.start) * spec.row_bytes
                self._device.copy(target, source, count * spec.row_bytes, stream)
                for place in range(count, count + missing):
                    last = source + (count - 1) * spec.row_bytes
                    self._device.copy(target + place * spec.row_bytes, last, spec.row_bytes, stream)
            else:
                source = self._stage(value[samples], spec, count, missing)
                self._device.copy(target, source, (count + missing) * spec.row_bytes, stream)

    def answers(self, samples: int) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
        """Logits, exit and score of the first samples, as the device left them."""
        return (
            self.outputs.array.view(np.float32).reshape(self._samples, self._classes)[:samples],
            self.exit_index.array.view(np.int32)[:samples],
            self.confidence.array.view(np.float32)[:samples],
        )

    def signalled(self, exit_index: int) -> tuple[int, int]:
        """Survivors of an exit, and rows to run next."""
        signal: NDArray[np.int32] = self.signal.array.view(np.int32)
        return int(signal[2 * exit_index]), int(signal[2 * exit_index + 1])

    def _stage(self, given: Array, spec: TensorSpec, count: int, missing: int) -> int:
        """Copy samples to pinned memory, the last one `missing` times more, and return the address."""
        staging, places = self._staging[spec.name], count + missing
        target = staging.array[: places * spec.row_bytes].view(spec.storage).reshape(places, *spec.shape)
        np.copyto(target[:count], given)
        if missing:
            target[count:] = given[-1]
        return staging.address
