"""Widens the layers of a network while it runs on folded images."""

from math import lcm

from torch import Tensor, nn
from torch.autograd.graph import Node

from eecompile.fold.layers import LAYERS, MAKERS, arriving, groups_of, made_by, refit, taken
from eecompile.fold.run import Call, Noted, run, words
from eecompile.fold.spec import FoldSpec
from eecompile.fold.walk_back import walk_back
from eengines.errors import IngestError

__all__ = ["Widening"]


class Widening:
    """Widens each layer when it is first reached.

    Args:
        spec: how to fold.
        module: the network before folding.
        exits: names of the layers that make logits.
        where: what made the network, for messages.
    """

    def __init__(self, spec: FoldSpec, module: nn.Module, exits: set[str], where: str) -> None:
        self._spec, self._exits, self._where = spec, exits, where
        self._fits: dict[int, int] = {}
        self._taken: dict[str, int] = {}
        self._keeps: dict[str, bool] = {}
        self._sources: dict[Node, bool] = {}
        for part in module.modules():
            groups, widths = groups_of(part)
            for width in widths:
                self._fits[width] = lcm(groups, self._fits.get(width, 1))

    def run(self, body: nn.Module, row: Tensor) -> Noted:
        """Run a copy of the network, with gradients, and widen it on the way.

        Args:
            body: the copy; its layers are changed.
            row: `[2, factor * channels, height, width]`, with a history.

        Raises:
            IngestError: a layer cannot take what arrives, or did not run.
        """
        if row.grad_fn is not None:
            self._sources[row.grad_fn] = False
        noted = run(
            body, row, where=self._where, what="the folded network", before=self._widen, behind=self._note_source
        )
        self._check_all_reached(body)
        return noted

    def _widen(self, name: str, layer: nn.Module, x: Tensor | None) -> None:
        """Widen a layer that is about to run on `x`."""
        if not isinstance(layer, LAYERS) or x is None:
            return
        place, inputs = words(self._where, name), arriving(layer, x)
        if name in self._taken:
            if inputs != self._taken[name]:
                problem = f"is used with {self._taken[name]} features and again with {inputs}"
                raise IngestError(
                    place, f"{problem}, which folding makes different", "Give each use a layer of its own"
                )
            return
        old, groups = taken(layer), groups_of(layer)[0]
        if isinstance(layer, MAKERS) and (inputs < old or (inputs == old and not self._all_kept(x))):
            problem = f"is given {inputs} features in the folded network, {old} before, expected more"
            remedy = "Write forward so that slices and views take their sizes from what arrives, and channels grow"
            raise IngestError(place, problem, remedy)
        if inputs % groups:
            problem = f"has {groups} groups, which {inputs} features cannot be shared among"
            raise IngestError(
                place, problem, "Give the layers in front of it widths that one rule widens, or other widths"
            )
        self._taken[name] = inputs
        before = made_by(layer)
        refit(layer, inputs, lambda width: self._width(name, width))
        self._keeps[name] = made_by(layer) == before

    def _width(self, name: str, old: int) -> int:
        if name in self._exits:
            return old * self._spec.factor
        return self._spec.width(old, self._fits)

    def _note_source(self, call: Call) -> None:
        """Remember what a layer made, for the layers behind it."""
        if isinstance(call.module, MAKERS) and call.history is not None:
            self._sources[call.history] = self._keeps[call.name]

    def _all_kept(self, x: Tensor) -> bool:
        """Whether all layers that this was made from are as wide as before, as narrow ones are; then it may be, too."""
        sources = walk_back(x.grad_fn, self._sources)
        return bool(sources) and all(sources)

    def _check_all_reached(self, module: nn.Module) -> None:
        """Refuse layers that did not run, whose weights nothing widened."""
        idle = [name for name, part in module.named_modules() if isinstance(part, LAYERS) and name not in self._taken]
        if idle:
            problem = f"{len(idle)} layers with weights do not run in evaluation mode or as modules, the first is this"
            raise IngestError(
                words(self._where, idle[0]),
                problem,
                "Remove them; heads that are no exits with eecompile heads --prune",
            )
