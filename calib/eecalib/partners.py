"""How much an image's answer depends on the images that share its group in a folded network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from eecalib.record import Recorder, record_exits
from eecalib.replay import replay
from eengines.errors import UserError
from eerun.data import Samples

__all__ = ["PartnerAgreement", "partner_agreement"]

FEWEST_DEALS = 2


@dataclass(frozen=True, kw_only=True)
class PartnerAgreement:
    """How alike an image is answered beside other images, with groups dealt at random several times.

    Attributes:
        deals: how often groups were dealt.
        images: how many images were answered.
        final_same: share of the images that the final exit answers alike in all deals.
        final_pairwise: mean share that it answers alike in two of them.
        exits_same: share of the images whose answer under the thresholds is the same in all deals.
        exits_pairwise: mean share where it is in two of them.
    """

    deals: int
    images: int
    final_same: float
    final_pairwise: float
    exits_same: float
    exits_pairwise: float


def partner_agreement(
    executor: Recorder,
    samples: Samples,
    thresholds: Sequence[float | None],
    progress: Callable[[float], None],
    *,
    deals: int,
    seed: int,
) -> PartnerAgreement:
    """Run samples several times, each time with groups dealt at random, and compare the answers of each image.

    Args:
        executor: a chain of a folded network; groups leave by its rule.
        samples: raw images, whole groups.
        thresholds: one for each exit but the last; None: nobody passes there.
        progress: called with the share that is done.
        deals: how often, at least twice.
        seed: of the deals.

    Raises:
        UserError: fewer than two deals, a network that is not folded, or samples that are no whole groups.
    """
    if deals < FEWEST_DEALS or executor.fold == 1:
        raise UserError(
            "partners",
            f"got {deals} deals of groups of {executor.fold}, expected at least {FEWEST_DEALS} of a folded network",
            "Give more deals, or a folded bundle",
        )
    random, final, exits = np.random.default_rng(seed), [], []
    for deal in range(deals):
        order = random.permutation(len(samples))

        def dealt(share: float, done: int = deal) -> None:
            progress((done + share) / deals)

        table = record_exits(executor, samples.take(order), dealt)
        index = replay(table, thresholds).exit_index
        final.append(_undone(table.answers[:, -1], order))
        exits.append(_undone(table.answers[np.arange(len(order)), index], order))
    final_same, final_pairwise = _alike(final)
    exits_same, exits_pairwise = _alike(exits)
    return PartnerAgreement(
        deals=deals,
        images=len(samples),
        final_same=final_same,
        final_pairwise=final_pairwise,
        exits_same=exits_same,
        exits_pairwise=exits_pairwise,
    )


def _undone(answers: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Answers in the order of the samples before they were dealt."""
    back = np.empty_like(answers)
    back[order] = answers
    return back


def _alike(answers: Sequence[NDArray[np.int64]]) -> tuple[float, float]:
    """The share of images with the same answer in all deals, and the mean over pairs of deals."""
    same = np.logical_and.reduce([each == answers[0] for each in answers])
    pairs = [float((first == second).mean()) for first, second in combinations(answers, 2)]
    return float(same.mean()), float(np.mean(pairs))
