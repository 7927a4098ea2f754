"""A trunk with heads on some of its modules: one torch module whose `forward` returns every exit's answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from eecompile.attach.attachment import Attachment

__all__ = ["Attached", "final_answer", "tapped"]


class Attached(nn.Module):
    """A trunk and its heads. `state_dict` has `trunk.*`, and `heads.<index>.*` in the order of `attachment.heads`.

    Attributes:
        trunk: the plain network; its code is not touched, its modules are read by hooks.
        heads: one module for each of `attachment.heads`.
        attachment: what is where.
    """

    def __init__(self, trunk: nn.Module, heads: Sequence[nn.Module], attachment: Attachment) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleList(heads)
        self.attachment = attachment

    def features(self, *inputs: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Run the trunk; return the features by name of tap, and the trunk's own answer.

        Only taps that a head reads are returned.
        """
        names = tuple(dict.fromkeys(head.tap for head in self.attachment.heads))
        with tapped(self.trunk, names) as found:
            final = final_answer(self.trunk(*inputs))
        return found, final

    def candidates(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The answers of all heads, by name, from features by name of tap."""
        placed = zip(self.attachment.heads, self.heads, strict=True)
        return {head.name: module(features[head.tap]) for head, module in placed if head.tap in features}

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the answers of the chosen heads, shallow to deep, then the trunk's own."""
        features, final = self.features(*inputs)
        placed = {head.name: (head.tap, module) for head, module in zip(self.attachment.heads, self.heads, strict=True)}
        chosen = [placed[name] for name in self.attachment.chosen]
        return (*(module(features[tap]) for tap, module in chosen), final)


@contextmanager
def tapped(trunk: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """While the context lasts, keep what the named modules return; of a tuple the first tensor."""
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _given: object, made: object) -> None:
            first = made[0] if isinstance(made, tuple | list) else made
            assert isinstance(first, Tensor)  # noqa: S101 - taps are checked when they are listed
            found[name] = first

        return hook

    handles = [trunk.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def final_answer(made: object) -> Tensor:
    """The trunk's answer: its only output, or the last of several."""
    last = made[-1] if isinstance(made, tuple | list) else made
    assert isinstance(last, Tensor)  # noqa: S101 - the trunk is checked when it is loaded
    return last
