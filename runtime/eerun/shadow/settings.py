"""How a model is watched while it answers."""

from dataclasses import dataclass

from eengines.errors import UserError

__all__ = ["ShadowSettings"]


@dataclass(frozen=True, kw_only=True)
class ShadowSettings:
    """How many samples are watched, and when there is an alarm.

    Attributes:
        share: probability with which a sample is watched, of a folded network a group, above 0, at most 1.
        seed: of the choice.
        limit: disagreement with the final exit above which there shall be an alarm; None: what the certificate of the
            thresholds says.
        confidence: 1 - δ, where δ bounds the probability of a false alarm; None: that of the certificate.

    Raises:
        UserError: a share or probability outside of its range.
    """

    share: float
    seed: int = 0
    limit: float | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UserError("shadow", f"got {self.share}, expected above 0, at most 1", "Give for example 0.01")
        for name, value in (("shadow_limit", self.limit), ("shadow_confidence", self.confidence)):
            if value is not None and not 0 < value < 1:
                raise UserError(name, f"got {value}, expected between 0 and 1", "Give for example 0.05")
