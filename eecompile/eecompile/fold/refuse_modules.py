"""What cannot be folded, told by the modules alone, before anything runs."""

from torch import nn

from eecompile.fold.layers import LAYERS, STATE
from eecompile.fold.run import words
from eengines.errors import IngestError

__all__ = ["refuse_modules"]

REASONS: tuple[tuple[tuple[type[nn.Module], ...], str], ...] = (
    ((nn.MultiheadAttention,), "is attention, whose heads have a fixed width"),
    ((nn.Embedding, nn.EmbeddingBag), "is an embedding, which reads indices, not images"),
    ((nn.RNNBase, nn.RNNCellBase), "is a recurrent layer, which reads sequences"),
)


def refuse_modules(module: nn.Module, *, where: str) -> None:
    """Refuse modules whose weights cannot follow.

    Args:
        module: the network.
        where: what made it, for messages.

    Raises:
        IngestError: weights of other than the known layers, or weights that two layers share.
    """
    if next(module.parameters(), None) is None:
        raise IngestError(where, "has no weights, expected a network that can be trained", "Give the network itself")
    owners: dict[nn.Parameter, str] = {}
    for name, part in module.named_modules():
        place = words(where, name)
        for weight_name, weight in part.named_parameters(recurse=False):
            if weight.numel() == 1 and not isinstance(part, LAYERS):
                continue  # one number fits any width
            reason = _reason(part, weight_name)
            if reason is not None:
                raise IngestError(place, reason, "Fold a network of convolutions, linear layers and normalisation")
            if owners.setdefault(weight, name) != name:
                problem = f"shares its {weight_name} with {owners[weight]}"
                raise IngestError(place, problem, "Give each layer weights of its own, or use one module twice")


def _reason(part: nn.Module, weight: str) -> str | None:
    """Why a weight cannot follow, or None."""
    for kinds, reason in REASONS:
        if isinstance(part, kinds):
            return reason
    if isinstance(part, LAYERS) and weight in STATE:
        return None
    return f"has the weights '{weight}' of its own ({type(part).__name__}), which folding does not know how to widen"
