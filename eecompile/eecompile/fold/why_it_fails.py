"""What a user can do about a module that fails when the network is folded."""

from torch import nn

from eecompile.fold.layers import LAYERS

__all__ = ["remedy_for"]

SIZES = "Write forward so that it takes its sizes from what arrives (x.shape), not from numbers"


def remedy_for(part: nn.Module) -> str:
    """Return the remedy for a module whose `forward` failed.

    Args:
        part: the innermost module that was running.
    """
    kind = type(part)
    for base in LAYERS:
        if isinstance(part, base) and not kind.forward.__module__.startswith("torch.nn."):
            return (
                f"{kind.__name__} is a {base.__name__} with a forward of its own, which may read another axis: use the "
                "layer of torch.nn, and change axes outside it"
            )
    fixed = [name for name, buffer in part.named_buffers(recurse=False) if buffer.numel() > 1]
    if fixed and not isinstance(part, LAYERS):
        return (
            f"If it computes with its buffer {' or '.join(fixed)}, that does not grow: let the checkpoint's input say "
            "mean and std of the images, or make it from what arrives (x.shape)"
        )
    return SIZES
