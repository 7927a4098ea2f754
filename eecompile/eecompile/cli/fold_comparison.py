"""The comparison at the end of a build with `--fold`, as text."""

from eecompile.build.fold_comparison import FoldComparison
from eecompile.cli.summary import table

__all__ = ["comparison_text"]

US_PER_MS = 1e3


def comparison_text(found: FoldComparison, *, bundle: str) -> str:
    """Accuracy and time of both networks, and plainly whether folding pays.

    Args:
        found: the figures.
        bundle: of the folded network.
    """
    right = "right on test" if found.measure == "accuracy" else "as own float32"
    rows = [
        ["what folding brings", right, "µs an image"],
        ["unfolded, final exit in float32", _share(found.unfolded_float32), "-"],
        ["unfolded, whole without exit heads", "-", _us(found.unfolded_whole_ms)],
        ["unfolded, with exits", _share(found.unfolded_chain), _us(found.unfolded_ms)],
        [f"folded by {found.fold}, final exit", _share(found.folded_final), "-"],
        [f"folded by {found.fold}, whole without exit heads", "-", _us(found.folded_whole_ms)],
        [f"folded by {found.fold}, with exits", _share(found.folded_chain), _us(found.folded_ms)],
    ]
    lines = [table(rows), _verdict(found)]
    lines.append(
        "Expected times of two builds, measured one after the other on a machine that may have changed in between; "
        f"to race both in turns: eerun bench --bundle {bundle}"
    )
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _us(milliseconds: float) -> str:
    return f"{milliseconds * US_PER_MS:.2f}"


def _verdict(found: FoldComparison) -> str:
    """Faster or not, and at what price."""
    rival = "the whole unfolded network" if found.unfolded_whole_ms <= found.unfolded_ms else "the unfolded chain"
    speed = f"the folded chain has {found.speed_up:.2f}x the speed of {rival}"
    text = f"Folding is faster here: {speed}" if found.speed_up > 1 else f"! Folding does not pay here: {speed}"
    if found.drop is None:
        return f"{text}; nothing is known of its accuracy against the unfolded network: there are no labels"
    points = 100 * found.drop
    change = f"{points:.2f} points less" if points > 0 else f"{-points:.2f} points more"
    return f"{text}, and {change} accuracy than the unfolded network in float32"
