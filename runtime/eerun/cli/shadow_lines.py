"""What `eerun run` says of a certificate, and of samples that were watched."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eerun.model import Model
    from eerun.shadow import Metrics

__all__ = ["certificate_lines", "shadow_lines"]


def certificate_lines(model: "Model", *, samples: int, with_copies: int) -> list[str]:
    """The certificate of the thresholds in a line, or that it does not hold here; nothing without one.

    Args:
        model: a bundle that has answered.
        samples: how many samples it has answered.
        with_copies: how many of them shared a group with copies. Of a folded network full groups were certified.
    """
    from eerun.bench.table import share

    if model.void is not None:
        return [f"! the certificate does not hold here: {model.void}"]
    certificate = model.certificate
    if certificate is None:
        return []
    if with_copies == samples:
        return ["! the certificate does not hold here: full groups were certified, here copies fill up every group"]
    promise = f"{certificate.risk} at most {share(certificate.limit, 2)}"
    groups = "" if certificate.groups is None else f" in {certificate.groups} groups"
    but = f"; not for images whose group is filled up by copies, {with_copies} here" if with_copies else ""
    return [
        f"certified: {promise}, confidence {share(certificate.confidence, 1)}, n = {certificate.samples}{groups}{but}"
    ]


def shadow_lines(metrics: "Metrics | None") -> list[str]:
    """Disagreement of the samples that were watched, and the step; nothing if none was asked for."""
    from eerun.bench.table import share

    if metrics is None:
        return []
    found = f"shadow: {metrics.shadowed} samples watched, {metrics.disagreements:.6g} answered otherwise"
    if metrics.estimate is not None and metrics.limit is not None:
        between = f"{share(metrics.low, 2)} to {share(metrics.high, 2)}"
        found += f": {share(metrics.estimate, 2)} ({between}), allowed {share(metrics.limit, 2)}"
    lines = [found]
    if metrics.alarms:
        now = "exits are off" if metrics.step == metrics.last_step else f"step {metrics.step} of {metrics.last_step}"
        lines.append(f"! shadow: {metrics.alarms} alarms: answers differed too often; now {now}")
    return lines
