"""What a certificate of a policy file says, and the slower thresholds that a model may fall back to."""

from dataclasses import dataclass
from typing import Literal

from eerun.folding.group_exit import GroupExit
from eerun.folding.grouping import Grouping

__all__ = ["UNKNOWN_VERSION", "Certificate", "Fallback", "Risk"]

UNKNOWN_VERSION = "unknown"
"""Version of an engine's library that no package tells; nobody knows whether it is still the same."""

Risk = Literal["accuracy drop", "disagreement"]
"""`accuracy drop`: relative to the final exit in float32, against labels. `disagreement`: with the final exit."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """With probability `confidence` over the draw of the *certify* samples, the risk is at most `limit`.

    The risk is that of samples drawn as the *certify* samples were; see docs/certificates.md for what is not promised.

    Attributes:
        risk: what is bounded.
        limit: ε, the promise.
        confidence: 1 - δ.
        method: `betting` or `hoeffding-bentkus`.
        samples: how many *certify* samples it rests on.
        bound: upper confidence bound of the risk of these thresholds by themselves.
        disagreement: upper confidence bound, at the same confidence, of the share of answers that differ from the final
            exit of the same graphs: what the shadow watches.
        split_sha256: digest of the *certify* samples.
        graphs_sha256: digest of the graphs, see `graphs_digest`.
        policy_sha256: digest of policy, parameters, thresholds and fallbacks, see `policy_digest`.
        engine: name of the backend.
        engine_version: version of its library, or `UNKNOWN_VERSION`: then the certificate holds nowhere.
        precision: of the graphs.
        processor: its name; of a GPU the card's.
        group_exit: when a group of a folded network left; of other networks without meaning.
        grouping: which images of a folded network shared a row; of other networks without meaning.
        groups: how many groups the *certify* samples of a folded network were, all full: images of one group depend on
            each other, so that it rests on so many observations; None: not folded, or not recorded.
    """

    risk: Risk
    limit: float
    confidence: float
    method: str
    samples: int
    bound: float
    disagreement: float
    split_sha256: str
    graphs_sha256: str
    policy_sha256: str
    engine: str
    engine_version: str
    precision: str
    processor: str
    group_exit: GroupExit = GroupExit.ALL
    grouping: Grouping = Grouping.ARRIVAL
    groups: int | None = None


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """Slower thresholds of the same policy and parameters that were certified, too.

    Attributes:
        thresholds: one for each exit but the last; None: nobody leaves there.
        bound: upper confidence bound of their risk.
        disagreement: upper confidence bound of their disagreement with the final exit.
    """

    thresholds: tuple[float | None, ...]
    bound: float
    disagreement: float
