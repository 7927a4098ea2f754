"""The thresholds that a watched model runs, one set after the other, from fast to slow."""

from dataclasses import dataclass

from eengines.errors import UserError
from eerun.bundle import PolicyFile
from eerun.shadow.settings import ShadowSettings

__all__ = ["Ladder", "Rung", "make_ladder"]

Thresholds = tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One set of thresholds.

    Attributes:
        thresholds: one for each exit but the last; None: nobody leaves there.
        limit: disagreement with the final exit above which there shall be an alarm.
    """

    thresholds: Thresholds
    limit: float


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """What a model runs, and what after each alarm.

    Attributes:
        rungs: as loaded, then the fallbacks. After the last of them no sample leaves early.
        confidence: 1 - δ of each rung's alarm.
    """

    rungs: tuple[Rung, ...]
    confidence: float


def make_ladder(policy: PolicyFile, settings: ShadowSettings, *, where: str) -> Ladder:
    """Return the ladder of a policy: limits are those of the certificate and its fallbacks, unless the user gives one.

    Args:
        policy: thresholds, and the certificate if there is one.
        settings: what the user chose.
        where: the bundle, for messages.

    Raises:
        UserError: there is neither a certificate nor a limit and a confidence, or it bounds no disagreement.
    """
    certificate = policy.certificate
    confidence = settings.confidence or (certificate.confidence if certificate else None)
    first = settings.limit or (certificate.disagreement if certificate else None)
    if first is None or confidence is None:
        problem = "the thresholds have no certificate that says how often answers may differ from the final exit's"
        raise UserError(where, problem, "Give shadow_limit and shadow_confidence, or certify with `eecompile tune`")
    rungs = [(policy.thresholds, first)]
    rungs += [(each.thresholds, settings.limit or each.disagreement) for each in policy.fallbacks]
    for _, limit in rungs:
        if not 0 < limit < 1:
            problem = f"its certificate bounds the disagreement with the final exit by {limit}, which cannot be watched"
            raise UserError(where, problem, "Give shadow_limit, between 0 and 1")
    return Ladder(
        rungs=tuple(Rung(thresholds=thresholds, limit=limit) for thresholds, limit in rungs), confidence=confidence
    )
