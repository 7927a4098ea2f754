"""How well scores tell right answers from wrong ones, as text."""

from eecompile.build.report import BuildReport
from eerun.bench.table import aligned
from eerun.bundle import Manifest

__all__ = ["rank_lines"]


def rank_lines(manifest: Manifest, report: BuildReport) -> list[str]:
    """One line for each score, one column an exit; nothing without data, or of builds that did not look."""
    if not report.ranks or len(report.ranks[0].auroc) != len(manifest.exits):
        return []
    rows = [["score", *manifest.exits]]
    rows += [[each.score, *("-" if v is None else f"{v:.3f}" for v in each.auroc)] for each in report.ranks]
    return [
        "",
        "---- AUROC of 'this exit is right', on tune: 0.5 is chance, 1 tells all apart; savings follow ----",
        *aligned(rows),
    ]
