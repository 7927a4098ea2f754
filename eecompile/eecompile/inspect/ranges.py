"""The INT8 ranges of a bundle, as text."""

from eecalib.int8.ranges import Ranges
from eecompile.inspect.segments import load_graphs
from eecompile.inspect.wrapped import listed
from eecompile.value_order import value_order
from eerun.bench.table import aligned
from eerun.bundle import Bundle

__all__ = ["ranges_lines"]

EXTREMES = 5
"""How many of the widest and of the narrowest are shown without being asked for all."""


def ranges_lines(bundle: Bundle, *, every: bool) -> list[str]:
    """How the ranges were made, and what they are; nothing for a bundle without."""
    if bundle.manifest.ranges is None:
        return ["", "---- INT8 ranges: none, nothing was calibrated ----"] if every else []
    ranges = bundle.read_json(bundle.manifest.ranges, Ranges)
    order = value_order(load_graphs(bundle, [entry.file for entry in bundle.manifest.segments]), ranges.tensors)
    if every or len(order) <= 2 * EXTREMES:
        shown, note = order, f"{len(order)} values, as the network makes them"
    else:
        wide = sorted(order, key=lambda name: ranges.tensors[name].amax, reverse=True)
        shown = {name: order[name] for name in (*wide[:EXTREMES], *wide[-EXTREMES:])}
        note = f"the {EXTREMES} widest and the {EXTREMES} narrowest of {len(order)} values; all: --ranges"
    rows = [["segment", "low", "high", "amax", "amax, all samples"]]
    for name, segment in shown.items():
        own, whole = ranges.tensors[name], ranges.whole.get(name)
        numbers = [f"{number:.4g}" for number in (own.low, own.high, own.amax)]
        rows.append([str(segment), *numbers, "-" if whole is None else f"{whole.amax:.4g}"])
    return [
        "",
        f"---- INT8 ranges: {ranges.method}, calibrated on {ranges.calibrate_on} ----",
        *listed("Samples:", (f"{count} in segment {index}" for index, count in enumerate(ranges.samples))),
        f"Of calib, sha256 {ranges.data_sha256[:12]}…; {note}",
        *(f"{line}  {name}" for line, name in zip(aligned(rows), ("value", *shown), strict=True)),
    ]
