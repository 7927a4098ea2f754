"""The picture of every operating point that was tried: accuracy against expected time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from eecompile.draw.picture import GREY, INK, MARKERS, PALETTE, new_figure, plain, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Point", "pareto_picture"]

LABELLED = len(PALETTE)
"""Policies that get a colour; all others are grey points."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One operating point: expected milliseconds of a batch, and accuracy, or agreement, as a share."""

    batch_ms: float
    accuracy: float


def pareto_picture(
    policies: Mapping[str, Sequence[Point]],
    *,
    front: Sequence[Point],
    chosen: Point,
    whole: Point,
    batch: int,
    samples: int,
    measure: str,
) -> tuple[bytes, bytes]:
    """Return a PNG and an SVG.

    Args:
        policies: operating points by policy, the best policies first; those behind the first six share one grey.
        front: the points of all policies that no other beats, from fast to slow.
        chosen: what was chosen.
        whole: the fastest whole network without exit heads.
        batch: size of the batches.
        samples: of *tune*, that accuracy is measured on.
        measure: what is meant by accuracy: `accuracy` or `agreement`.
    """
    figure = new_figure(8.2, 4.8)
    axes = figure.subplots()
    plain(axes)
    names = list(policies)
    for name in names[LABELLED:]:
        _points(axes, policies[name], colour=GREY, marker=".", label=None)
    for name, colour, marker in zip(names, PALETTE, MARKERS, strict=False):
        _points(axes, policies[name], colour=colour, marker=marker, label=name)
    axes.plot(
        [point.batch_ms for point in front],
        [100 * point.accuracy for point in front],
        color=INK,
        linewidth=0.6,
        zorder=1,
        label="Pareto front",
    )
    axes.plot(whole.batch_ms, 100 * whole.accuracy, "X", color=INK, markersize=9, label="whole network, no exits")
    axes.plot(
        chosen.batch_ms,
        100 * chosen.accuracy,
        "*",
        color=INK,
        markerfacecolor="none",
        markersize=17,
        markeredgewidth=1.4,
        label="chosen",
    )
    if len(names) > LABELLED:
        axes.plot([], [], ".", color=GREY, label=f"{len(names) - LABELLED} others")
    axes.set_xlabel(f"expected milliseconds of a batch of {batch}", fontsize=9)
    axes.set_ylabel(f"{measure}, %, on {samples} tune samples", fontsize=9)
    axes.set_title("Operating points of every policy, on the samples that they were fitted to", fontsize=10, color=INK)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    return png(figure), _svg(figure)


def _points(axes: object, points: Sequence[Point], *, colour: str, marker: str, label: str | None) -> None:
    ordered = sorted(points, key=lambda point: point.batch_ms)
    axes.plot(  # type: ignore[attr-defined]  # matplotlib's types are not checked
        [point.batch_ms for point in ordered],
        [100 * point.accuracy for point in ordered],
        color=colour,
        marker=marker,
        markersize=4,
        linewidth=0.8,
        alpha=0.85,
        label=label,
    )


def _svg(figure: "Figure") -> bytes:
    """The same as SVG; the same figure gives the same bytes."""
    from matplotlib import rc_context

    file = BytesIO()
    with rc_context({"svg.hashsalt": "eecompile"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
