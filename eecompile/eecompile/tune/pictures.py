"""Draw what was tried into the bundle."""

from eecalib.tuning.pareto import pareto_front
from eecompile.draw.pareto import Point, pareto_picture
from eecompile.draw.picture import missing_reason
from eecompile.stages import Stages
from eecompile.tune.report import PolicyReport, TuneReport

__all__ = ["PNG", "SVG", "pareto_pictures"]

PNG, SVG = "report/pareto.png", "report/pareto.svg"


def pareto_pictures(report: TuneReport, whole_accuracy: float, stages: Stages) -> dict[str, bytes]:
    """Return `report/pareto.png` and `.svg` by path; without matplotlib nothing, and say so.

    Args:
        report: what was tried.
        whole_accuracy: of the fastest whole network, about: that of float32. It is 1 where the drop is in agreement,
            which is what is drawn then; where float32 is never wrong, accuracy and agreement are the same.
        stages: where it is said that nothing can be drawn.
    """
    reason = missing_reason()
    if reason is not None:
        stages.detail(f"no picture was drawn: {reason}")
        return {}
    best = sorted(report.policies, key=lambda each: each.tune.batch_ms)
    lines = {_name(each): [Point(batch_ms=p.batch_ms, accuracy=p.accuracy) for p in each.frontier] for each in best}
    points = [point for line in lines.values() for point in line]
    front = pareto_front([(point.batch_ms, point.accuracy) for point in points])
    chosen = report.policies[0].tune
    picture, vectors = pareto_picture(
        lines,
        front=[points[index] for index in front],
        chosen=Point(batch_ms=chosen.batch_ms, accuracy=chosen.accuracy),
        whole=Point(batch_ms=report.whole_ms, accuracy=whole_accuracy),
        batch=report.batch,
        samples=report.samples["tune"],
        measure="agreement" if whole_accuracy == 1 else "accuracy",
    )
    return {PNG: picture, SVG: vectors}


def _name(policy: PolicyReport) -> str:
    """A policy, and on which exits."""
    apart = ", heads apart" if policy.heads_apart else ""
    return f"{policy.name}, {len(policy.exits)} exits{apart}"
