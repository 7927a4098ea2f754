"""The exit kernel, bound to the memory of one slot."""

import numpy as np
from numpy.typing import NDArray

from eengines.device import Kernel, Memory, Stream
from eengines.errors import BundleError
from eerun.costs import CostTable
from eerun.device_executor.device_chain import DeviceChain
from eerun.device_executor.exit_table import EXIT_TABLE, MOVED
from eerun.device_executor.next_rows import MOST_ROWS, bucket_of_rows, next_rows_table
from eerun.device_executor.slot_memory import SlotMemory
from eerun.device_executor.upload import upload
from eerun.folding import passes_needed

__all__ = ["Decisions", "ExitKernels"]

THREADS = 128
PART_BYTES = 2**14
MOST_PARTS = 32


class Decisions:
    """How many rows to run next, and in which bucket: tables for all slots, on the host and on the device.

    Attributes:
        buckets: batch sizes, ascending.
        bucket_of_rows: `[segment][rows]` number of the bucket.
        next_rows: device memory, `[boundary]`.
        next_bucket: device memory, `[segment]`.
        needed: device memory, `[images of a group]` how many must have passed; None: the network is not folded.

    Raises:
        BundleError: a bucket is larger than a device takes.
    """

    def __init__(self, costs: CostTable, chain: DeviceChain, stream: Stream) -> None:
        device, buckets = chain.device, costs.buckets
        if buckets[-1] > MOST_ROWS:
            raise BundleError(
                "cost table",
                f"got a bucket of {buckets[-1]} rows, a device takes {MOST_ROWS}",
                "Build with smaller ones",
            )
        self.buckets = buckets
        self.bucket_of_rows = tuple(bucket_of_rows(buckets, row) for row in costs.segment_ms)
        self.next_rows = tuple(
            upload(device, next_rows_table(buckets, row, move_ms), stream)
            for row, move_ms in zip(costs.segment_ms[1:], costs.move_ms, strict=True)
        )
        self.next_bucket = tuple(upload(device, numbers, stream) for numbers in self.bucket_of_rows)
        self.needed = None if chain.fold == 1 else upload(device, _needed(chain), stream)


class ExitKernels:
    """One launch after each exit; its arguments lie on the device.

    The last exit is launched once, on a batch of no rows: a GPU may load a kernel when it first runs, and no capture
    can hold that. At the last exit it sets no selector, which only a graph has.

    Args:
        kernel: the exit kernel.
        chain: the engines.
        memory: of the slot; no batch was in it yet.
        decisions: tables of all slots.
        stream: of the slot.
    """

    def __init__(
        self, kernel: Kernel, chain: DeviceChain, memory: SlotMemory, decisions: Decisions, stream: Stream
    ) -> None:
        self._kernel = kernel
        exits = len(chain.engines)
        moved = [_moved(chain, memory, index) for index in range(exits)]
        self._moved = [upload(chain.device, rows, stream) if len(rows) else None for rows in moved]
        self._parts = [_parts(rows) for rows in moved]
        tables = [_table(chain, memory, decisions, index, self._moved[index], moved[index]) for index in range(exits)]
        self._tables = [upload(chain.device, table, stream) for table in tables]
        self.launch(exits - 1, rows=1, stream=stream)
        stream.synchronize()

    def launch(self, exit_index: int, *, rows: int, stream: Stream, selector: int = 0) -> None:
        """Enqueue the decision of an exit for a batch of at most `rows` rows; a program with selectors reads one."""
        self._kernel.launch(
            stream,
            grid=(self._parts[exit_index], rows),
            threads=THREADS,
            arguments=(self._tables[exit_index].address, selector),
        )


def _moved(chain: DeviceChain, memory: SlotMemory, exit_index: int) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    """Address and bytes a row of everything that survivors take along, the exit's own logits in front."""
    if exit_index == len(chain.engines) - 1:
        return np.empty(0, MOVED)
    logits = chain.chain.segments[exit_index].logits
    names = sorted(chain.layout.crossing[exit_index], key=lambda name: name != logits)
    return np.array([(memory.address(name), chain.layout.specs[name].row_bytes) for name in names], MOVED)


def _needed(chain: DeviceChain) -> NDArray[np.int32]:
    """`[fold + 1]` images of a group → how many of them must have passed for it to leave."""
    return passes_needed(np.arange(chain.fold + 1), chain.chain.group_exit).astype(np.int32)


def _parts(moved: "np.ndarray[tuple[int], np.dtype[np.void]]") -> int:
    """Into how many blocks a row is cut."""
    row_bytes = int(moved["row_bytes"].sum())
    return min(MOST_PARTS, max(1, -(-row_bytes // PART_BYTES)))


def _table(
    chain: DeviceChain,
    memory: SlotMemory,
    decisions: Decisions,
    exit_index: int,
    uploaded: Memory | None,
    moved: "np.ndarray[tuple[int], np.dtype[np.void]]",
) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    """The argument of one exit."""
    head, last = chain.chain.segments[exit_index], exit_index == len(chain.engines) - 1
    values = {
        "header": memory.header.address,
        "scores": memory.address(head.score),
        "logits": memory.address(head.logits),
        "before": memory.states[exit_index - 1].address if exit_index else 0,
        "after": memory.states[exit_index].address,
        "outputs": memory.outputs.address,
        "exit_index": memory.exit_index.address,
        "confidence": memory.confidence.address,
        "signal": memory.signal.address + 8 * exit_index,
        "next_rows": 0 if last else decisions.next_rows[exit_index].address,
        "next_bucket": 0 if last else decisions.next_bucket[exit_index + 1].address,
        "moved": 0 if uploaded is None else uploaded.address,
        "needed": 0 if decisions.needed is None else decisions.needed.address,
        "exit": exit_index,
        "is_last": int(last),
        "classes": chain.classes,
        "max_rows": decisions.buckets[-1],
        "moved_count": len(moved),
        "moved_with_answer": sum(int(each["rows"]) == memory.address(head.logits) for each in moved),
    }
    table = np.zeros(1, EXIT_TABLE)
    for name, value in values.items():
        table[name] = value
    return table
