"""Run a trunk without a trace: evaluation mode, no gradients, and no further than needed."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from eecompile.attach.attached import Attached, final_answer, tapped

__all__ = ["FrozenTrunk"]


class _ReachedError(Exception):
    """The tap was reached behind which nothing is needed."""


class FrozenTrunk:
    """The trunk of an attached network, put into evaluation mode.

    Args:
        attached: the network.
        sample: inputs of a few samples; with them it is checked that leaving early gives the same features.

    Attributes:
        shapes: of one sample's feature, by tap, in the order in which they run.
        answer_shape: of one sample's answer.
    """

    def __init__(self, attached: Attached, sample: Sequence[Tensor]) -> None:
        self._trunk = attached.trunk.eval()
        read = {head.tap for head in attached.attachment.heads}
        names = tuple(tap.name for tap in attached.attachment.taps if tap.name in read)
        self._names, self._never_early = names, frozenset[str]()
        features, answer = self.run(sample, until=None)
        assert answer is not None  # noqa: S101 - it ran to the end
        self.shapes = {name: tuple(features[name].shape[1:]) for name in names}
        self.answer_shape = tuple(answer.shape[1:])
        early = {name: self.run(sample, until=name)[0][name] for name in names}
        self._never_early = frozenset(name for name in names if not torch.equal(early[name], features[name]))

    def run(self, inputs: Sequence[Tensor], *, until: str | None) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return features by tap and the trunk's answer, all float32.

        Args:
            inputs: of the network, `[batch, ...]`.
            until: the last tap that is needed; the trunk is left there, and the answer is None. A feature that a later
                module overwrites in place is not what heads read, hence the trunk is not left at such a tap. None: all.
        """
        stop = None if until in self._never_early else until
        names = self._names if until is None else self._names[: self._names.index(until) + 1]
        with torch.no_grad(), tapped(self._trunk, names) as found:
            answer = self._answer(inputs, stop)
            features = {name: found[name].float() for name in names}
        return features, answer if until is None else None

    def _answer(self, inputs: Sequence[Tensor], stop: str | None) -> Tensor | None:
        if stop is None:
            return final_answer(self._trunk(*inputs)).float()

        def leave(_module: nn.Module, _given: object, _made: object) -> None:
            raise _ReachedError

        handle = self._trunk.get_submodule(stop).register_forward_hook(leave)
        try:
            self._trunk(*inputs)
        except _ReachedError:
            return None
        finally:
            handle.remove()
        return None
