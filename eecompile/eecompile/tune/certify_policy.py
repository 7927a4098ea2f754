"""Promise what the final bundle does: certify its thresholds on the *certify* split, as the engine answers there."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eecalib.certify import Losses, accuracy_losses, certify, disagreement_losses, too_few_samples, upper_bound
from eecalib.exit_table import ExitTable
from eecalib.replay import leave
from eecalib.thresholds.problem import Thresholds
from eecalib.trace import SplitRecording
from eecompile.tune.report import CertificateReport
from eecompile.tune.settings import TuneSettings
from eengines.errors import BuildError
from eerun.bundle import Certificate, Fallback, PolicyFile, graphs_of, policy_digest
from eerun.circumstances import engine_version, processor_of
from eerun.configuration import Configuration
from eerun.folding import Grouping

__all__ = ["Promise", "certify_policy"]


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A policy with its certificate, and how it was found."""

    policy: PolicyFile
    report: CertificateReport


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """One split as the final graphs answer it.

    Attributes:
        table: scores and answers of all exits.
        split: what float32 answers, and the right answers for labels.
    """

    table: ExitTable
    split: SplitRecording

    def losses(self, thresholds: Thresholds, *, agreement: bool) -> Losses:
        """What thresholds lose on each sample, or in the mean of each group of a folded network."""
        if agreement:
            return self.disagreement(thresholds)
        rows, index, units = np.arange(self.table.samples), self._answered(thresholds), np.maximum(self.split.units, 1)
        right = self.table.correct[rows, index] / units
        return accuracy_losses(self.split.reference_right / units, right, fold=self.table.fold)

    def disagreement(self, thresholds: Thresholds) -> Losses:
        """Where answers differ from those of the final exit of the same graphs."""
        rows, index = np.arange(self.table.samples), self._answered(thresholds)
        differs = 1 - self.table.agreeing[rows, index] / self.table.all_units
        return disagreement_losses(differs, fold=self.table.fold)

    def _answered(self, thresholds: Thresholds) -> NDArray[np.int32]:
        """The exit that answers each sample; images of a folded network leave in groups."""
        return leave(self.table.scores, thresholds, fold=self.table.fold, rule=self.table.rule).answered


def certify_policy(
    policy: PolicyFile,
    ladder: tuple[Thresholds, ...],
    recorded: Mapping[str, Recorded],
    way: Configuration,
    settings: TuneSettings,
) -> Promise:
    """Return the policy with the fastest thresholds that can be promised.

    Args:
        policy: the rule and its parameters.
        ladder: thresholds from slow to fast, in an order that *certify* did not choose.
        recorded: *certify*, and *test* for the record.
        way: the configuration as it will be, in the bundle as it will be.
        settings: limit, confidence, method; with `agreement` disagreement is promised, not a drop in accuracy.

    Raises:
        BuildError: not even the slowest can be promised.
    """
    assert settings.certify is not None  # noqa: S101 - the caller asks only then
    limit, confidence, method = settings.certify, settings.confidence, settings.certify_method
    seen, agreement = recorded["certify"], settings.agreement
    losses = [seen.losses(each, agreement=agreement) for each in ladder]
    found = certify(losses, limit=limit, confidence=confidence, method=method)
    if found.index is None:
        problem = too_few_samples(losses[0], limit, confidence, method)
        raise BuildError(
            f"--certify {limit:.2%}", problem, "Give more certify samples, allow more, or leave --certify out"
        )
    steps = [
        Fallback(thresholds=each, bound=bound, disagreement=_disagreement(seen, each, settings))
        for each, bound in zip(ladder[: found.index + 1], found.bounds, strict=False)
    ]
    fastest = steps.pop()
    certified = replace(policy, thresholds=fastest.thresholds, fallbacks=tuple(reversed(steps)))
    certificate = _certificate(fastest, certified, seen, way, settings, agreement=agreement)
    test = recorded["test"].losses(fastest.thresholds, agreement=agreement).risk if "test" in recorded else None
    report = CertificateReport(
        risk=certificate.risk,
        limit=limit,
        confidence=confidence,
        samples=certificate.samples,
        groups=None if seen.table.fold == 1 else seen.table.groups,
        candidates=len(ladder),
        certified=found.index + 1,
        bound=certificate.bound,
        risk_certify=losses[found.index].risk,
        risk_test=test,
    )
    return Promise(policy=replace(certified, certificate=certificate), report=report)


def _disagreement(seen: Recorded, thresholds: Thresholds, settings: TuneSettings) -> float:
    """Upper confidence bound of the share of answers that differ from the final exit's."""
    assert settings.certify is not None  # noqa: S101 - the caller asks only then
    return upper_bound(
        seen.disagreement(thresholds),
        limit=settings.certify,
        confidence=settings.confidence,
        method=settings.certify_method,
    )


def _certificate(
    step: Fallback,
    policy: PolicyFile,
    seen: Recorded,
    way: Configuration,
    settings: TuneSettings,
    *,
    agreement: bool,
) -> Certificate:
    """What is stored beside the policy."""
    assert settings.certify is not None  # noqa: S101 - the caller asks only then
    return Certificate(
        risk="disagreement" if agreement else "accuracy drop",
        limit=settings.certify,
        confidence=settings.confidence,
        method=settings.certify_method,
        samples=seen.table.samples,
        groups=None if seen.table.fold == 1 else seen.table.groups,
        bound=step.bound,
        disagreement=step.disagreement,
        split_sha256=seen.split.sha256,
        graphs_sha256=graphs_of(way.bundle.manifest, way.entry),
        policy_sha256=policy_digest(policy),
        engine=way.engine,
        engine_version=engine_version(way.engine),
        precision=way.entry.precision,
        processor=processor_of(way),
        group_exit=policy.group_exit,
        grouping=Grouping.ARRIVAL,
    )
