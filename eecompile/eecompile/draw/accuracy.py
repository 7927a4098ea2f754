"""The picture of what each precision costs: accuracy or agreement of every exit, before and after."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from eecompile.draw.picture import GREY, INK, MARKERS, PALETTE, new_figure, plain, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["accuracy_picture", "agreement_picture"]

SPREAD = 0.7
"""Share of a category's width that the marks of the configurations take."""


def accuracy_picture(
    exits: Sequence[str],
    float32: Sequence[float],
    others: Mapping[str, Sequence[float]],
    *,
    samples: int,
    pixels: int | None = None,
) -> bytes:
    """Return a PNG: accuracy in float32 on the left, what other configurations add to it on the right.

    Args:
        exits: names of the exits, and of what else is compared, such as all exits at work.
        float32: accuracy of each, as a share.
        others: the same of each other configuration, by its name.
        samples: how many samples it was measured on.
        pixels: how many pixels, where accuracy is a share of these.
    """
    unit, units = ("sample", samples) if pixels is None else ("pixel", pixels)
    figure = _figure(exits, panels=2)
    before, after = figure.subplots(1, 2, width_ratios=[1, 1.45])
    bars = before.bar(range(len(exits)), [100 * value for value in float32], color=GREY, width=0.62)
    before.bar_label(bars, [f"{value:.1%}" for value in float32], padding=2, fontsize=8, color=INK)
    before.set_ylim(0, 108 * max(*float32, 0.01))
    before.set_ylabel(f"{'pixel ' if pixels else ''}accuracy on test, %", fontsize=9)
    before.set_title("before: float32", fontsize=10, color=INK)
    _categories(before, exits)
    changes = {
        name: [100 * (value - base) for value, base in zip(values, float32, strict=True)]
        for name, values in others.items()
    }
    after.axhline(0, color=INK, linewidth=0.8)
    _marks(after, changes)
    after.set_ylabel("change against float32, percentage points", fontsize=9)
    after.set_title(f"after: one {unit} is {100 / units:.2g} points", fontsize=10, color=INK)
    _categories(after, exits)
    figure.suptitle(
        f"Accuracy of each exit if all leave there, and with exits on: {samples} test samples", fontsize=11, color=INK
    )
    _legend(figure, after)
    return png(figure)


def agreement_picture(exits: Sequence[str], others: Mapping[str, Sequence[float]], *, samples: int) -> bytes:
    """Return a PNG: for data without labels, how often each configuration answers as float32 does.

    Args:
        exits: names of the exits.
        others: the share of answers that are those of float32 at the same exit, by name of the configuration.
        samples: how many samples of *tune* it was measured on.
    """
    figure = _figure(exits, panels=1)
    axes = figure.subplots()
    axes.axhline(100, color=INK, linewidth=0.8)
    _marks(axes, {name: [100 * value for value in values] for name, values in others.items()})
    axes.set_ylabel("same answer as in float32, %", fontsize=9)
    _categories(axes, exits)
    figure.suptitle(f"Agreement of each exit with float32, on {samples} tune samples", fontsize=11, color=INK)
    _legend(figure, axes)
    return png(figure)


def _figure(exits: Sequence[str], *, panels: int) -> "Figure":
    """Wider with more exits, so that their names fit."""
    return new_figure(min(4.0 + 2.0 * panels + 0.3 * panels * len(exits), 14.0), 4.2)


def _marks(axes: "Axes", values: Mapping[str, Sequence[float]]) -> None:
    """Side by side in each category, one mark a configuration."""
    for index, (name, series) in enumerate(values.items()):
        offset = SPREAD * ((index + 0.5) / len(values) - 0.5)
        axes.plot(
            [x + offset for x in range(len(series))],
            list(series),
            MARKERS[index % len(MARKERS)],
            color=PALETTE[index % len(PALETTE)],
            markersize=7,
            label=name,
        )
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))


def _categories(axes: "Axes", names: Sequence[str]) -> None:
    """Names under the axis, aslant where they would touch; lines between them."""
    crowded = len(names) > 5 or max(map(len, names)) > 9
    axes.set_xticks(range(len(names)), list(names), rotation=35 if crowded else 0, ha="right" if crowded else "center")
    axes.set_xlim(-0.5, len(names) - 0.5)
    plain(axes)
    for place in range(1, len(names)):
        axes.axvline(place - 0.5, color="#e4e6e8", linewidth=0.7)


def _legend(figure: "Figure", axes: "Axes") -> None:
    """Below the panels, where no mark can be."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4), fontsize=8, frameon=False)
