"""The modules that can be tapped, as text."""

from eecompile.attach.list_taps import ListedTap, ListedTaps
from eerun.bench.table import aligned, share

__all__ = ["taps_table"]


def taps_table(listed: ListedTaps) -> list[str]:
    """Return one line for each module, then the whole trunk."""
    rows = [["module", "class", "output", "MMACs", "of trunk", "weights", "auto"]]
    rows += [_row(listed, tap) for tap in listed.taps]
    rows.append(["whole trunk", "", _shape(listed.output), f"{listed.macs / 1e6:.2f}", "", f"{listed.parameters}", ""])
    return [*aligned(rows), f"Own head: {listed.own_head or 'not known; name it with --own-head'}"]


def _row(listed: ListedTaps, tap: ListedTap) -> list[str]:
    return [
        tap.name,
        tap.kind,
        _shape(tap.shape),
        f"{tap.macs / 1e6:.2f}",
        share(tap.macs / listed.macs if listed.macs else None, 1),
        f"{tap.parameters}",
        "→" if tap.automatic else "",
    ]


def _shape(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes))
