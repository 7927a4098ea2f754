"""What is promised of a bundle, as text."""

from eerun.bundle import Bundle
from eerun.choose_configuration import usable_configurations
from eerun.circumstances import void_here

__all__ = ["promise_lines"]


def promise_lines(bundle: Bundle) -> list[str]:
    """The certificate of every configuration that has one, and whether it holds here; nothing if there is none."""
    here = {way.entry.name: way for way in usable_configurations(bundle).configurations}
    lines = []
    for entry in bundle.manifest.configurations:
        policy = bundle.policy(entry)
        certificate = policy.certificate
        if certificate is None:
            continue
        lines.append(
            f"{entry.name}: {certificate.risk} at most {certificate.limit:.2%} with {certificate.confidence:.0%} "
            f"confidence ({certificate.method}, {certificate.samples} samples sha256 {certificate.split_sha256[:12]}…, "
            f"bound {certificate.bound:.2%}, disagreement at most {certificate.disagreement:.2%}); "
            f"{len(policy.fallbacks)} slower candidates certified, too"
        )
        lines.append(
            f"  {certificate.engine} {certificate.engine_version} {certificate.precision} on {certificate.processor}"
        )
        reason = "it does not run here" if entry.name not in here else void_here(here[entry.name], policy)
        lines.append("  holds here" if reason is None else f"  ! void here: {reason}")
    return ["", "---- Promises ----", *lines] if lines else []
