"""The picture of INT8 ranges: what each value of the network is clipped to, and how fine its steps are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eecompile.draw.picture import GREY, INK, PALETTE, new_figure, plain, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RangeBar", "ranges_picture"]

FEW = 45
"""Values whose names fit under the axis."""

NAMED = 3
"""The widest values that are named where not all are."""

WIDE = 20.0
"""Largest magnitude over the median one, from which the others are too short to see and the axis is logarithmic."""

LINEAR = 10.0
"""How far below the median magnitude a logarithmic axis becomes linear, so that it can pass zero."""

LONGEST_NAME = 26
"""Characters."""


@dataclass(frozen=True, kw_only=True)
class RangeBar:
    """One value.

    Attributes:
        name: in the graph.
        segment: which one makes it.
        low: least value that is kept.
        high: largest value that is kept.
        every: the same two when calibrated on all samples; None if that is not known, or is what `low` and `high` are.
    """

    name: str
    segment: int
    low: float
    high: float
    every: tuple[float, float] | None

    @property
    def amax(self) -> float:
        """Largest magnitude."""
        return max(-self.low, self.high)


def ranges_picture(bars: Sequence[RangeBar], *, samples: Sequence[int], method: str, calibrate_on: str) -> bytes:
    """Return a PNG of ranges above, and of the INT8 steps that they make below.

    Args:
        bars: the values in the order of the graph, at least one.
        samples: number of calibration samples of each segment.
        method: name of the calibrator.
        calibrate_on: `survivors` or `all`.
    """
    few = len(bars) <= FEW
    longest = max(len(_short(bar.name)) for bar in bars) if few else 0
    figure = new_figure(10.0, 5.4 + min(0.055 * longest, 2.0))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.7, 1])
    _ranges(above, bars)
    _steps(below, bars)
    _segments(above, below, bars, samples)
    if few:
        below.set_xticks(range(len(bars)), [_short(bar.name) for bar in bars], rotation=90, fontsize=7)
    else:
        below.set_xlabel("value, counted in the order of the network", fontsize=9)
        _name_widest(above, bars)
    below.set_xlim(-1, len(bars))
    figure.suptitle(
        f"INT8 ranges of {len(bars)} values: {method}, each segment calibrated on "
        + ("the samples that reach it" if calibrate_on == "survivors" else "all samples"),
        fontsize=11,
        color=INK,
    )
    return png(figure)


def _ranges(axes: "Axes", bars: Sequence[RangeBar]) -> None:
    """From low to high, with a frame around what all samples would give."""
    own, every = (PALETTE[0], PALETTE[4])
    known = [(x, bar.every) for x, bar in enumerate(bars) if bar.every is not None]
    if known:
        axes.vlines(
            [x for x, _ in known],
            [low for _, (low, _) in known],
            [high for _, (_, high) in known],
            colors=every,
            linewidth=_thickness(bars, 1.0),
            label="all samples, where known: not in exit heads",
        )
    axes.vlines(
        range(len(bars)),
        [bar.low for bar in bars],
        [bar.high for bar in bars],
        colors=own,
        linewidth=_thickness(bars, 0.5),
        label="as used" + (", on the samples that reach the segment" if known else ""),
    )
    axes.axhline(0, color=INK, linewidth=0.6)
    magnitudes = sorted(bar.amax for bar in bars if bar.amax > 0)
    if magnitudes and magnitudes[-1] > WIDE * magnitudes[len(magnitudes) // 2]:
        smallest = magnitudes[len(magnitudes) // 2] / LINEAR
        axes.set_yscale("symlog", linthresh=smallest)
        low, high = axes.get_ylim()
        axes.set_yticks([t for t in axes.get_yticks() if (t == 0 or abs(t) >= smallest) and low <= t <= high])
    axes.set_ylabel("value, low to high", fontsize=9)
    # outside, because a bar may reach any corner
    axes.legend(fontsize=8, frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.06), borderaxespad=0)
    plain(axes)


def _steps(axes: "Axes", bars: Sequence[RangeBar]) -> None:
    """The scale of each value on both kinds of grid; a value that is always zero has none."""
    shown = [(x, bar) for x, bar in enumerate(bars) if bar.amax > 0]
    grids = (
        ("(high − low) / 255, uint8: CPU engines", "o", PALETTE[0], [(bar.high - bar.low) / 255 for _, bar in shown]),
        ("amax / 127, int8: TensorRT", "x", PALETTE[1], [bar.amax / 127 for _, bar in shown]),
    )
    for label, marker, colour, values in grids:
        axes.plot(
            [x for x, _ in shown],
            values,
            marker,
            color=colour,
            markersize=4,
            markerfacecolor="none",
            markeredgewidth=1,
            label=label,
        )
    axes.set_yscale("log")
    axes.set_ylabel("scale: one step", fontsize=9)
    axes.legend(fontsize=8, frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    plain(axes)


def _segments(above: "Axes", below: "Axes", bars: Sequence[RangeBar], samples: Sequence[int]) -> None:
    """Lines between segments, and their names on top."""
    for segment, count in enumerate(samples):
        places = [x for x, bar in enumerate(bars) if bar.segment == segment]
        if not places:
            continue
        if places[0]:
            for axes in (above, below):
                axes.axvline(places[0] - 0.5, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
        # shorter words where many segments share the width
        text = f"segment {segment}: {count} samples" if len(samples) <= 5 else f"{segment}: {count}"
        middle = (places[0] + places[-1]) / 2
        above.annotate(
            text,
            (middle, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=INK,
        )


def _name_widest(axes: "Axes", bars: Sequence[RangeBar]) -> None:
    """Names of the widest values, beside them."""
    widest = sorted(range(len(bars)), key=lambda x: bars[x].amax, reverse=True)[:NAMED]
    for x in widest:
        bar = bars[x]
        end = bar.high if bar.high >= -bar.low else bar.low
        right = x > 0.85 * len(bars)
        axes.annotate(
            _short(bar.name),
            (x, end),
            xytext=(-4 if right else 4, -2),
            textcoords="offset points",
            fontsize=7,
            color=INK,
            ha="right" if right else "left",
            va="top" if end > 0 else "bottom",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.4},
        )


def _short(name: str) -> str:
    """The end of a long name, which tells more than its beginning."""
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def _thickness(bars: Sequence[RangeBar], share: float) -> float:
    """Points of a bar that takes this share of its column."""
    return min(10.0, 0.75 * 620 / max(len(bars), 1)) * share
