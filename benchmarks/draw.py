"""Draw the picture of the README from a result: what a batch costs, and where samples leave.

    python benchmarks/draw.py benchmarks/results/early_exit-resnet56_3-max-probability.json docs/images/early-exit.svg

Needs the extra `report` (matplotlib).
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
mpl.rcParams["svg.hashsalt"] = "eecompile"
import matplotlib.pyplot as plt  # noqa: E402

INK, EARLY, GREY = "#222222", ["#1b7f79", "#58b09c", "#b7dcd1", "#dfeeea"], "#9aa0a6"


def draw(result: dict[str, Any], target: Path) -> None:
    """Draw two panels: milliseconds of a batch, and shares of the exits with their accuracy."""
    bench = result["offline_batch_32"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 2.9), width_ratios=[1.15, 1])
    _costs(left, bench)
    _exits(right, bench)
    subject, machine = bench["subject"], bench["environment"]
    figure.suptitle(
        f"{Path(subject['model']).stem}, batch {subject['batch']}, {subject['engine']} {subject['precision']}, "
        f"{machine['processor']}, {subject['threads']} threads",
        fontsize=10,
        color=INK,
    )
    figure.tight_layout()
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, metadata={"Date": None} if target.suffix == ".svg" else None, dpi=110)


def _costs(axes: Any, bench: dict[str, Any]) -> None:
    baselines, fastest = bench["baselines"], bench["fastest"]
    wholes = [fastest, *([bench["own"]] if bench["own"] != fastest else [])]
    names = [f"whole network,\n{baselines[name]['engine']} {baselines[name]['precision']}" for name in wholes]
    names += ["chain,\nnobody leaves", "chain,\nexits on"]
    values = [baselines[name]["speed"]["latency"]["median_ms"] for name in wholes]
    values += [bench[key]["latency"]["median_ms"] for key in ("exits_off", "chain")]
    bars = axes.barh(names, values, color=[*[GREY] * (len(values) - 1), EARLY[0]], height=0.62)
    axes.bar_label(bars, [f"{value:.1f} ms" for value in values], padding=3, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, max(values) * 1.2)
    axes.set_xlabel("median of a batch, in turns in one run", fontsize=9)
    speedup = baselines[fastest]["speedup"]["median"]
    axes.set_title(
        f"{speedup['value']:.2f}x the fastest whole network ({speedup['low']:.2f} to {speedup['high']:.2f})",
        fontsize=10,
    )
    _plain(axes)


def _exits(axes: Any, bench: dict[str, Any]) -> None:
    exits = bench["exits"]
    bars = axes.bar(
        [entry["name"] for entry in exits], [100 * entry["share"] for entry in exits], color=EARLY[0], width=0.6
    )
    axes.bar_label(
        bars,
        [f"{entry['share']:.0%}\n{entry['accuracy']:.1%} right" if entry["share"] else "0%" for entry in exits],
        padding=2,
        fontsize=8,
    )
    axes.set_ylim(0, 135 * max(entry["share"] for entry in exits))
    axes.set_ylabel("samples that leave, %", fontsize=9)
    quality = bench["quality"]
    axes.set_title(
        f"accuracy {quality['accuracy']:.2%}, fastest whole network {quality['accuracy_whole']:.2%}", fontsize=10
    )
    _plain(axes)


def _plain(axes: Any) -> None:
    """Leave only what carries meaning."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, length=0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("result", type=Path, help="a JSON file of benchmarks/results")
    parser.add_argument("target", type=Path, help="picture to write: .svg or .png")
    arguments = parser.parse_args()
    draw(json.loads(arguments.result.read_text()), arguments.target)
