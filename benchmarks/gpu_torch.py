"""What PyTorch users have on a GPU: eager early exit that compacts the batch, and the whole network compiled.

Both get raw samples on the host, as the chain does, and give answers back to the host.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eecompile.attach.attached import Attached
from eecompile.checkpoint import build_module, load_checkpoint
from eecompile.input_info import InputInfo
from eengines.tensors import Array

__all__ = ["TorchRivals"]

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
EXAMPLE = 2
"""Samples of the example that a network is traced with: with one the batch axis would become a constant."""


class TorchRivals:
    """One network in PyTorch.

    Args:
        model: a checkpoint with one input.
        factory: `module:function` that makes its network, or None for one of the zoo.
        precision: `float32`, `float16` or `bfloat16`.
        device: `cuda`, or `cpu` for a rehearsal.
        thresholds: of the policy `max-probability`, one for each exit but the last; None: nobody leaves there.
    """

    def __init__(
        self, model: Path, factory: str | None, precision: str, device: str, thresholds: Sequence[float | None]
    ) -> None:
        torch.backends.cuda.matmul.allow_tf32 = True  # as TensorRT does by default
        torch.backends.cudnn.allow_tf32 = True
        checkpoint = load_checkpoint(model)
        (self._info,) = checkpoint.inputs
        self._device, self._dtype, self._thresholds = device, DTYPES[precision], thresholds
        self._module = build_module(checkpoint, factory).eval().to(device, self._dtype)
        example = torch.zeros((EXAMPLE, *self._info.network_shape), dtype=self._dtype, device=device)
        with torch.no_grad():
            one = ({0: torch.export.Dim("batch")},)
            shapes = (one,) if isinstance(self._module, Attached) else one  # its forward takes *inputs
            self._program = torch.export.export(self._module, (example,), dynamic_shapes=shapes).module()
        self._segments = _segments(self._program.graph)

    def eager(self, inputs: Mapping[str, Array]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Operator by operator, exit after exit; those who leave are taken out of every value that goes on.

        Returns:
            Labels `[samples] int64` and exit of each sample `[samples] int32`.
        """
        raw = inputs[self._info.name]
        labels, exits = np.empty(len(raw), np.int64), np.empty(len(raw), np.int32)
        alive = torch.arange(len(raw), device=self._device)
        with torch.inference_mode():
            walk = torch.fx.Interpreter(self._program, garbage_collect_values=False)
            walk.args_iter = iter([self._seen(raw)])
            for index, (nodes, output) in enumerate(self._segments):
                for node in nodes:
                    walk.env[node] = walk.run_node(node)
                logits = walk.env[output].float()
                leaves = self._leaves(logits, index)
                gone = alive[leaves].cpu().numpy()  # the host waits here, as research code does
                labels[gone], exits[gone] = logits[leaves].argmax(dim=1).cpu().numpy(), index
                if len(gone) == len(alive):
                    break
                alive = alive[~leaves]
                for node in list(walk.env):
                    if _has_batch(node):
                        walk.env[node] = walk.env[node][~leaves]
        return labels, exits

    def compiled(self) -> Any:
        """Return the whole network as a function of raw inputs: `torch.compile`, CUDA graphs included."""

        def final(values: torch.Tensor) -> torch.Tensor:
            return self._module(values)[-1]

        network = torch.compile(final, mode="max-autotune")

        def answer(inputs: Mapping[str, Array]) -> NDArray[np.float32]:
            with torch.inference_mode():
                logits: NDArray[np.float32] = network(self._seen(inputs[self._info.name])).float().cpu().numpy()
            return logits

        return answer

    def _leaves(self, logits: torch.Tensor, index: int) -> torch.Tensor:
        """Who leaves, `[alive] bool`."""
        if index == len(self._thresholds):
            return torch.ones(len(logits), dtype=torch.bool, device=self._device)
        threshold = self._thresholds[index]
        if threshold is None:
            return torch.zeros(len(logits), dtype=torch.bool, device=self._device)
        return logits.softmax(dim=1).amax(dim=1) >= threshold

    def _seen(self, raw: Array) -> torch.Tensor:
        """What the network sees of raw samples, computed on the device."""
        info = self._info
        values = torch.from_numpy(np.ascontiguousarray(raw)).to(self._device)
        values = values.movedim(-1, 1) if info.layout == "NHWC" else values
        return _normalised(values.float(), info).to(self._dtype)


def _normalised(values: torch.Tensor, info: InputInfo) -> torch.Tensor:
    """`(raw · scale − mean) / std`."""
    shape = (1, -1) + (1,) * (values.ndim - 2)
    mean = torch.tensor(info.mean or (0.0,), device=values.device).reshape(shape)
    std = torch.tensor(info.std or (1.0,), device=values.device).reshape(shape)
    return (values * (1.0 if info.scale is None else info.scale) - mean) / std


def _segments(graph: Any) -> list[tuple[list[Any], Any]]:
    """For each exit, the nodes that it needs and no earlier exit does, and the node of its logits."""
    exits = next(node for node in graph.nodes if node.op == "output").args[0]
    done: set[Any] = set()
    found = []
    for exit_ in exits:
        needed, waiting = set(), [exit_]
        while waiting:
            node = waiting.pop()
            if node not in needed:
                needed.add(node)
                waiting.extend(node.all_input_nodes)
        found.append(([node for node in graph.nodes if node in needed - done], exit_))
        done |= needed
    return found


def _has_batch(node: Any) -> bool:
    """Whether a node's value has a row for each sample."""
    value = node.meta.get("val")
    with suppress(AttributeError, IndexError):
        return isinstance(value.shape[0], torch.SymInt)
    return False
