"""What is promised of a bundle, as text."""

from eecompile.inspect.wrapped import listed
from eerun.bundle import Bundle
from eerun.choose_configuration import usable_configurations
from eerun.circumstances import void_here

__all__ = ["promise_lines"]


def promise_lines(bundle: Bundle) -> list[str]:
    """The certificate of every configuration that has one, and whether it holds here; nothing if there is none."""
    here = {way.entry.name: way for way in usable_configurations(bundle).configurations}
    lines: list[str] = []
    for entry in bundle.manifest.configurations:
        policy = bundle.policy(entry)
        certificate = policy.certificate
        if certificate is None:
            continue
        items = (
            f"{certificate.risk} at most {certificate.limit:.2%} with {certificate.confidence:.0%} confidence",
            f"{certificate.method} on {certificate.samples} samples (sha256 {certificate.split_sha256[:12]}…)",
            f"bound {certificate.bound:.2%}",
            f"disagreement at most {certificate.disagreement:.2%}",
            f"{len(policy.fallbacks)} slower candidates certified, too",
        )
        where = f"{certificate.engine} {certificate.engine_version} {certificate.precision} on {certificate.processor}"
        reason = "it does not run here" if entry.name not in here else void_here(here[entry.name], policy)
        lines += [*listed(f"{entry.name}:", items), f"  {where}"]
        lines += ["  holds here"] if reason is None else listed("  ! void here:", reason.split("; "))
    return ["", "---- Promises ----", *lines] if lines else []
