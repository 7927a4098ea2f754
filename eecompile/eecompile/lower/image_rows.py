"""The images of a group as rows of their own, which is what a policy scores.

In the graph of a folded network a row is a group of images: logits are `[batch, images, classes]`. A policy knows of no
groups; it is given `[batch * images, classes]`, and what it gives is put back into groups.
"""

import numpy as np
import onnx_ir as ir

from eecompile.lower.graph_ops import IrGraphOps

__all__ = ["ImageRows"]


class ImageRows:
    """Puts images into rows of their own and back into groups; without groups both change nothing.

    Args:
        ops: where the nodes go.
        fold: images a group; None: the logits are not in groups.
    """

    def __init__(self, ops: IrGraphOps, fold: int | None) -> None:
        self._ops = ops
        self._fold = fold

    @property
    def axes(self) -> tuple[int, ...]:
        """What stands between the batch and a sample's own axes."""
        return () if self._fold is None else (self._fold,)

    def apart(self, value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
        """Return `[batch * images, *shape]` of `[batch, images, *shape]`."""
        return value if self._fold is None else self._reshape(value, (-1, *shape))

    def together(self, value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
        """Return `[batch, images, *shape]` of `[batch * images, *shape]`."""
        return value if self._fold is None else self._reshape(value, (-1, self._fold, *shape))

    def forget(self, graph: ir.Graph, value: ir.Value) -> None:
        """Take a value that `apart` made out of the graph again, if nothing reads it."""
        node = value.producer()
        if self._fold is None or node is None or value.uses():
            return
        target = node.inputs[1]
        graph.remove(node, safe=True)
        if target is not None and target.name is not None:
            del graph.initializers[target.name]

    def _reshape(self, value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
        return self._ops.op("Reshape", value, self._ops.constant(np.array(shape, np.int64)))
