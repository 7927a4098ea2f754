"""What all pictures share: a figure of its own, colours that the colour-blind can tell apart, PNG."""

from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["GREY", "INK", "MARKERS", "PALETTE", "missing_reason", "new_figure", "plain", "png"]

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito, "Color universal design" (2008), the darker ones first."""

MARKERS = ("o", "s", "^", "D", "v", "P")
"""One for each colour: nothing is told by colour alone."""

INK, GREY = "#222222", "#9aa0a6"

DOTS_PER_INCH = 110


def missing_reason() -> str | None:
    """Why nothing can be drawn here; None if it can."""
    if find_spec("matplotlib") is None:
        return "matplotlib is not installed: pip install 'eecompile[report]'"
    return None


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of that many inches, apart from pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain(axes: "Axes") -> None:
    """Leave only what carries meaning."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=8, length=2, colors=INK)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="#e4e6e8", linewidth=0.7)


def png(figure: "Figure") -> bytes:
    """Return the picture; the same figure gives the same bytes."""
    file = BytesIO()
    figure.savefig(file, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return file.getvalue()
