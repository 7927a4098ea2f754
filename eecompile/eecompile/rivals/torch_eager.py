"""Eager PyTorch, one sample at a time: the module computes exit after exit and stops at the first that passes.

This is how research code runs early exits. The module's own `forward` computes all exits, so the walk stops it from the
outside: a hook on the parts that no earlier exit needs is not possible in general, hence the exported program is
interpreted node by node and left as soon as an exit's answer is good enough.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eecompile.checkpoint import build_module, load_checkpoint
from eecompile.input_info import InputInfo, sequences_of
from eecompile.network_values import network_values
from eengines.errors import UserError
from eengines.tensors import Array
from eerun.policies import ExitPolicy

__all__ = ["make_rival"]

Rival = Callable[[Mapping[str, Array]], tuple[NDArray[np.int64], NDArray[np.int32]]]


def make_rival(
    model: Path, factory: str | None, thresholds: Sequence[float | None], policy: ExitPolicy, threads: int
) -> Rival:
    """Return a function that answers a batch one sample at a time.

    Args:
        model: a checkpoint in the project's format.
        factory: `package.module:function`, where the checkpoint does not name a network of the zoo.
        thresholds: one for each exit but the last; None: nobody leaves there.
        policy: the exit policy, fitted.
        threads: number of torch threads.

    Returns:
        A function from raw inputs `[batch, ...]` to labels `[batch] int64`, or `[batch, height, width]`, and exits
        `[batch] int32`.

    Raises:
        UserError: the checkpoint has another number of exits than there are thresholds for.
    """
    import torch

    torch.set_num_threads(threads)
    checkpoint = load_checkpoint(model)
    if len(thresholds) != len(checkpoint.exits) - 1:
        raise UserError(
            str(model),
            f"it has {len(checkpoint.exits)} exits, the bundle has {len(thresholds) + 1}",
            "Give the checkpoint that the bundle was built from, with all its exits",
        )
    module = build_module(checkpoint, factory)
    walk = _Walk(module, checkpoint.inputs, thresholds, policy)

    def answer(inputs: Mapping[str, Array]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        rows = len(next(iter(inputs.values())))
        results = [walk.run({name: array[i : i + 1] for name, array in inputs.items()}) for i in range(rows)]
        return np.array([label for label, _ in results]), np.array([index for _, index in results], np.int32)

    return answer


class _Walk:
    """Runs a traced module node by node, in eager mode, and stops at the first exit that is good enough."""

    def __init__(
        self, module: Any, inputs: Sequence[InputInfo], thresholds: Sequence[float | None], policy: ExitPolicy
    ) -> None:
        import torch

        from eecompile.attach.attached import Attached

        self._inputs, self._thresholds, self._policy = inputs, thresholds, policy
        sequences = sequences_of(inputs)
        greatest = min((found.greatest for found in sequences.values()), default=0)
        example = tuple(
            _tensor(info, np.zeros((2, *info.shape_at(max(2, greatest // 2))), info.dtype)) for info in inputs
        )
        batch, length = torch.export.Dim("batch"), torch.export.Dim("length", min=1, max=greatest or None)
        shapes = tuple(
            {0: batch, **({sequences[info.name].axis: length} if info.name in sequences else {})} for info in inputs
        )
        dynamic_shapes = (shapes,) if isinstance(module, Attached) else shapes  # its forward takes *inputs
        with torch.no_grad():
            program = torch.export.export(module, example, dynamic_shapes=dynamic_shapes).module()
        self._program = program
        outputs = next(node for node in program.graph.nodes if node.op == "output").args[0]
        self._exits = {node: index for index, node in enumerate(outputs)}
        self._order = _exit_order(program.graph, list(outputs))

    def run(self, sample: Mapping[str, Array]) -> tuple[Array, int]:
        """Answer one sample: class, of one number or of every pixel, and exit."""
        import torch

        with torch.inference_mode():
            walker = _StepInterpreter(self._program, [_tensor(info, sample[info.name]) for info in self._inputs])
            state = None
            for index, nodes in enumerate(self._order):
                walker.run_nodes(nodes)
                logits = walker.value(next(n for n, i in self._exits.items() if i == index)).float().numpy()
                if index == len(self._order) - 1:
                    break
                score, state = self._policy.score(logits, state, exit_index=index)
                logits = self._policy.answer(logits, state)
                threshold = self._thresholds[index]
                if threshold is not None and score[0] >= np.float32(threshold):
                    break
        return logits.argmax(axis=1)[0], index


class _StepInterpreter:
    """Eager execution of some nodes of a traced program at a time."""

    def __init__(self, program: Any, inputs: Sequence[Any]) -> None:
        import torch

        self._interpreter = torch.fx.Interpreter(program, garbage_collect_values=False)
        self._interpreter.args_iter = iter(inputs)

    def run_nodes(self, nodes: Sequence[Any]) -> None:
        """Run nodes whose operands have run."""
        for node in nodes:
            self._interpreter.env[node] = self._interpreter.run_node(node)

    def value(self, node: Any) -> Any:
        """The tensor that a node made."""
        return self._interpreter.env[node]


def _exit_order(graph: Any, exits: Sequence[Any]) -> list[list[Any]]:
    """For each exit, the nodes that it needs and no earlier exit does, in order."""
    done: set[Any] = set()
    order = []
    for index, node in enumerate(exits):
        needed, waiting = set(), [node]
        while waiting:
            current = waiting.pop()
            if current not in needed:
                needed.add(current)
                waiting.extend(current.all_input_nodes)
        first = {n for n in graph.nodes if n.op == "placeholder"} if index == 0 else set()
        order.append([n for n in graph.nodes if n in (needed | first) - done])
        done |= needed | first
    return order


def _tensor(info: InputInfo, raw: Array) -> Any:
    """What the network sees of a raw sample, as a tensor."""
    import torch

    return torch.from_numpy(network_values(info, raw))
