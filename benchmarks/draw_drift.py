"""Draw a drifting stream: milliseconds of a batch and agreement over time, and where heads were refreshed.

    python benchmarks/draw_drift.py benchmarks/results/drift-resnet18.json docs/images/drift.png

Needs the extra `report` (matplotlib).
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib as mpl

mpl.use("Agg")
mpl.rcParams["svg.hashsalt"] = "eecompile"
import matplotlib.pyplot as plt  # noqa: E402 - after the choice of a backend without a window

from benchmarks.drift_answers import NEVER, REFRESHED, WHOLE  # noqa: E402 - the folder is on the path from here on

INK = "#222222"
COLORS = {WHOLE: "#9aa0a6", NEVER: "#58b09c", REFRESHED: "#1b7f79"}
STYLES = {WHOLE: ":", NEVER: "--", REFRESHED: "-"}


def draw(result: dict[str, Any], target: Path) -> None:
    """Draw two panels over the number of requests."""
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(9.2, 4.6), sharex=True, height_ratios=[1.3, 1])
    windows = [window for half in result["halves"] for window in half["windows"]]
    places = _middles([window["requests"] for window in windows])
    for name, color in COLORS.items():
        ways = [window["ways"][name] for window in windows]
        style: dict[str, Any] = {"color": color, "linestyle": STYLES[name], "linewidth": 1.4}
        upper.plot(places, [way["batch_ms"] for way in ways], label=name, **style)
        if name != WHOLE:
            lower.plot(places, [100 * way["agreement"] for way in ways], **style)
    _halves(result, upper, lower)
    upper.set_ylabel("ms a batch", fontsize=9)
    upper.legend(frameon=False, fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.0))
    lower.set_ylabel("agrees with the\nwhole network, %", fontsize=9)
    lower.set_xlabel("requests; the stream waits while heads are refreshed", fontsize=9)
    figure.suptitle(_title(result), fontsize=10, color=INK)
    figure.tight_layout()
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, metadata={"Date": None} if target.suffix == ".svg" else None, dpi=110)
    plt.close(figure)


def _title(result: dict[str, Any]) -> str:
    machine = result["environment"]
    size = result["sizes"]["classes"]
    quick = "QUICK RUN, NO RESULT. " if "what" in result else ""
    return (
        f"{quick}Best case: {size} classes at a time, which change. {result['network']}, batch {result['batch']}, "
        f"{machine['processor']}, {machine['cores']} cores"
    )


def _halves(result: dict[str, Any], upper: Any, lower: Any) -> None:
    """Mark where classes change, and where heads were refreshed and how long that took."""
    start = 0
    top = 1.3 * max(way["batch_ms"] for half in result["halves"] for way in half["mean"].values())
    upper.set_ylim(0, top)
    for half in result["halves"]:
        cost = half["refresh"]
        for axes in (upper, lower):
            axes.axvline(start, color=INK, linewidth=0.8, linestyle="-" if cost is None else (0, (1, 3)))
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=9, length=0)
        words = "other classes" if cost is None else f"refreshed\n{cost['seconds']:.0f} s"
        upper.annotate(words, (start, 0.02 * top), xytext=(3, 0), textcoords="offset points", fontsize=7, color=INK)
        start += sum(window["requests"] for window in half["windows"])


def _middles(counts: list[int]) -> list[float]:
    """Where the middle of each window is."""
    return [sum(counts[:index]) + count / 2 for index, count in enumerate(counts)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("result", type=Path, help="a JSON file of benchmarks/results")
    parser.add_argument("target", type=Path, help="picture to write: .svg or .png")
    arguments = parser.parse_args()
    draw(json.loads(arguments.result.read_text()), arguments.target)
