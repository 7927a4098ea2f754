"""Why a module of a trunk cannot be a tap."""

from torch import Tensor

from eecompile.attach.watch import Watched

__all__ = ["feature", "tap_problem"]


def tap_problem(watched: Watched, name: str) -> str | None:
    """Say what was got and expected of the module's output; None: heads can read it."""
    calls = watched.calls.get(name, ())
    if len(calls) != 1:
        got = f"runs {len(calls)} times in one forward" if calls else "does not run in forward"
        return f"{got}, expected once"
    call, rows = calls[0], watched.batch
    if not isinstance(call.made, Tensor):
        return f"returns {type(call.made).__name__}, expected a tensor, or a tuple with a tensor in front"
    if call.made is watched.answer:
        return "gives the network's answer, expected a feature before it"
    shape = list(call.made.shape)
    if not 2 <= len(shape) <= 4 or shape[0] != rows or not call.made.is_floating_point():
        got = f"{str(call.made.dtype).removeprefix('torch.')} {shape} for {rows} samples"
        return (
            f"returns {got}, expected floats [{rows}, features], [{rows}, tokens, width] or "
            f"[{rows}, channels, height, width]"
        )
    if call.made._version != call.version:
        return "is overwritten by what runs behind it (an in-place operation), expected a feature that stays"
    return None


def feature(watched: Watched, name: str) -> Tensor:
    """What a tap without a problem made: `[batch, ...]`."""
    made = watched.calls[name][0].made
    assert isinstance(made, Tensor)  # noqa: S101 - taps without a problem made a tensor
    return made
