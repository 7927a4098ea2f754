"""Eager PyTorch, one sample at a time: the module computes exit after exit and stops at the first that passes.

This is how research code runs early exits. The module's own `forward` computes all exits, so the walk stops it from the
outside: a hook on the parts that no earlier exit needs is not possible in general, hence the exported program is
interpreted node by node and left as soon as an exit's answer is good enough. Of a folded network one group of images
goes at a time, and stops where the group leaves.
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
from eerun.folding import GroupExit, passes_needed, to_rows
from eerun.policies import ExitPolicy

__all__ = ["make_rival"]

Rival = Callable[[Mapping[str, Array]], tuple[NDArray[np.int64], NDArray[np.int32]]]


def make_rival(
    model: Path,
    factory: str | None,
    thresholds: Sequence[float | None],
    policy: ExitPolicy,
    threads: int,
    group_exit: GroupExit = GroupExit.ALL,
) -> Rival:
    """Return a function that answers a batch one sample at a time, of a folded network one group of images.

    Args:
        model: a checkpoint in the project's format.
        factory: `package.module:function`, where the checkpoint does not name a network of the zoo.
        thresholds: one for each exit but the last; None: nobody leaves there.
        policy: the exit policy, fitted.
        threads: number of torch threads.
        group_exit: when a group of a folded network leaves.

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
    fold = checkpoint.fold
    walk = _Walk(module, checkpoint.inputs, thresholds, policy, fold=fold, rule=group_exit)

    def answer(inputs: Mapping[str, Array]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        samples = len(next(iter(inputs.values())))
        parts = [{name: array[i : i + fold] for name, array in inputs.items()} for i in range(0, samples, fold)]
        results = [walk.run(part) for part in parts]
        return np.concatenate([labels for labels, _ in results]), np.concatenate([exits for _, exits in results])

    return answer


class _Walk:
    """Runs a traced module node by node, in eager mode, and stops at the first exit that is good enough."""

    def __init__(
        self,
        module: Any,
        inputs: Sequence[InputInfo],
        thresholds: Sequence[float | None],
        policy: ExitPolicy,
        *,
        fold: int,
        rule: GroupExit,
    ) -> None:
        import torch

        from eecompile.attach.attached import Attached

        self._inputs, self._thresholds, self._policy = inputs, thresholds, policy
        self._fold, self._rule = fold, rule
        sequences = sequences_of(inputs)
        greatest = min((found.greatest for found in sequences.values()), default=0)
        example = tuple(
            _tensor(info, np.zeros((2 * fold, *info.shape_at(max(2, greatest // 2))), info.dtype), fold)
            for info in inputs
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

    def run(self, samples: Mapping[str, Array]) -> tuple[Array, NDArray[np.int32]]:
        """Answer one sample, or the images of one group: class, of one number or of every pixel, and exit of each."""
        import torch

        count, last = len(next(iter(samples.values()))), len(self._order) - 1
        needed = int(passes_needed(np.array([count]), self._rule)[0])
        exits, answers = np.full(count, -1, np.int32), list[Array]()
        with torch.inference_mode():
            given = [_tensor(info, samples[info.name], self._fold) for info in self._inputs]
            walker, state = _StepInterpreter(self._program, given), None
            for index, nodes in enumerate(self._order):
                walker.run_nodes(nodes)
                logits = self._logits(walker, index)
                if index == last:
                    passes = np.ones(count, np.bool_)
                else:
                    score, state = self._policy.score(logits, state, exit_index=index)
                    logits = self._policy.answer(logits, state)
                    passes = _reach(score[:count], self._thresholds[index])
                said = logits[:count].argmax(axis=1)
                leaves = index == last or int((passes | (exits >= 0)).sum()) >= needed
                here = (exits < 0) & (passes | leaves)
                exits[here] = index
                answers.append(said)
                if leaves:
                    break
        return np.stack(answers)[exits, np.arange(count)], exits

    def _logits(self, walker: "_StepInterpreter", index: int) -> Array:
        """Logits of an exit, `[samples, classes, ...] float32`: of a folded network those of all images of a row."""
        logits: Array = walker.value(next(n for n, i in self._exits.items() if i == index)).float().numpy()
        return logits if self._fold == 1 else logits[0]


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


def _reach(scores: NDArray[np.float32], threshold: float | None) -> NDArray[np.bool_]:
    """Which scores reach a threshold; None: none."""
    if threshold is None:
        return np.zeros(len(scores), np.bool_)
    return scores >= np.float32(threshold)


def _tensor(info: InputInfo, raw: Array, fold: int) -> Any:
    """What the network sees of raw samples, as a tensor; of a folded network in rows."""
    import torch

    values = network_values(info, raw)
    return torch.from_numpy(values if fold == 1 else to_rows(values, fold))
