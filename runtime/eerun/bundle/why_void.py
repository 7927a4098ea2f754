"""Whether a certificate still holds: it is void when anything that it rests on has changed."""

import hashlib
from collections.abc import Sequence

import msgspec

from eerun.bundle.certificate import UNKNOWN_VERSION, Certificate
from eerun.bundle.manifest import ConfigurationEntry, Manifest, PolicyFile
from eerun.folding.grouping import Grouping

__all__ = ["graphs_digest", "graphs_of", "policy_digest", "why_void"]


def graphs_digest(sha256s: Sequence[str]) -> str:
    """Return one digest for the graphs of a chain, from those of its segments and then of its heads, in their order."""
    return hashlib.sha256("\n".join(sha256s).encode()).hexdigest()


def graphs_of(manifest: Manifest, entry: ConfigurationEntry) -> str:
    """Return that digest for a configuration of a bundle."""
    return graphs_digest([manifest.files[name].sha256 for name in (*entry.segments, *entry.heads)])


def policy_digest(policy: PolicyFile) -> str:
    """Return a digest of a policy, its parameters, its thresholds and its fallbacks."""
    what = (policy.policy, policy.parameters, policy.thresholds, policy.fallbacks)
    return hashlib.sha256(msgspec.json.encode(what, order="sorted")).hexdigest()


def why_void(  # noqa: PLR0913 - a keyword for each circumstance
    certificate: Certificate,
    manifest: Manifest,
    entry: ConfigurationEntry,
    policy: PolicyFile,
    *,
    engine: str,
    engine_version: str,
    processor: str,
    grouping: Grouping = Grouping.ARRIVAL,
) -> str | None:
    """Return what has changed since a configuration was certified, or None: the certificate holds.

    Args:
        certificate: as the policy file has it.
        manifest: of the bundle.
        entry: the configuration.
        policy: with the thresholds that are used.
        engine: name of the backend that runs it.
        engine_version: version of its library; one that is not known is not the one that was certified.
        processor: name of the processor or card that runs it.
        grouping: which images of a folded network share a row.
    """
    facts = [
        ("engine", certificate.engine, engine),
        ("engine version", certificate.engine_version, engine_version),
        ("precision", certificate.precision, entry.precision),
        ("processor", certificate.processor, processor),
    ]
    if manifest.fold is not None:
        facts.append(("group exit", certificate.group_exit.value, policy.group_exit.value))
        facts.append(("grouping", certificate.grouping.value, grouping.value))
    found = [f"{name} {was!r} was certified, here is {here!r}" for name, was, here in facts if was != here]
    if certificate.engine_version == engine_version == UNKNOWN_VERSION:
        found.append("the version of the engine was not known and is not: it may be another one")
    if certificate.graphs_sha256 != graphs_of(manifest, entry):
        found.append("the graphs are not those that were certified")
    if certificate.policy_sha256 != policy_digest(policy):
        found.append("policy, parameters or thresholds are not those that were certified")
    return "; ".join(found) or None
