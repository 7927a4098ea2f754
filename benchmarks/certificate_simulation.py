"""How often is a certificate wrong, and how often is one given? Many draws from distributions that are known.

    python benchmarks/certificate_simulation.py

Each draw is a *certify* split: for every sample, whether the final exit in float32 is right, and what each of five
candidates does with it. The risks of the candidates are known, because they are chosen: the third one lies just above
the limit, which is the worst case. A draw violates the promise if the certified candidate's true risk is above the
limit; that may happen in a share δ of the draws. Nothing is measured but these shares.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figure_result import add_common_flags, write_figure  # noqa: E402
from eecalib.certify import METHODS, Method, hb_p_value, last_shown, place_bets  # noqa: E402
from eecalib.certify.losses import Floats  # noqa: E402

Loss = Literal["accuracy drop", "disagreement"]

LIMIT, CONFIDENCE, ACCURACY = 0.05, 0.9, 0.8
RISKS = (0.2, 0.6, 1.001, 1.2, 2.0)
"""True risks of the candidates, in parts of the limit; from slow to fast."""
GAINED = 0.01
"""Share of the samples that float32 answers wrongly and a candidate rightly."""
DRAWS, SAMPLES = 20_000, (500, 2000)
CHUNK = 250
"""Draws that are looked at together."""


def drawn_losses(
    loss: Loss, random: np.random.Generator, *, draws: int, samples: int, limit: float
) -> tuple[Floats, Floats]:
    """Draw losses `[draws, candidates, samples]` and bases `[draws, 1, samples]`, see `Losses`.

    The candidates err on nested sets of samples, as faster thresholds of one policy do.
    """
    risks = limit * np.array(RISKS)[:, None]
    luck = random.random((draws, 1, samples))
    if loss == "disagreement":
        return (luck < risks).astype(float), np.ones((draws, 1, samples))
    right = random.random((draws, 1, samples)) < ACCURACY
    lost = right & (luck < (risks * ACCURACY + GAINED) / ACCURACY)
    gained = ~right & (luck < GAINED / (1 - ACCURACY))
    return lost.astype(float) - gained, right.astype(float)


def simulated_violations(
    method: Method, loss: Loss, *, draws: int, samples: int, limit: float, confidence: float, seed: int
) -> dict[str, float]:
    """Certify many draws with fixed-sequence testing.

    Returns:
        `violations`, the share of draws whose certified candidate breaks the limit; `certified`, the share in which any
        candidate is certified; `best`, the share in which the fastest candidate that keeps the limit is.
    """
    random, last = np.random.default_rng(seed), list[Any]()
    for start in range(0, draws, CHUNK):
        count = min(CHUNK, draws - start)
        losses, base = drawn_losses(loss, random, draws=count, samples=samples, limit=limit)
        base = np.broadcast_to(base, losses.shape)
        if method == "betting":
            p_values = place_bets(losses[..., None, :], base[..., None, :], limit=limit, confidence=confidence).p_value(
                limit
            )
        else:
            p_values = hb_p_value(losses, base, 0 if loss == "disagreement" else -1, limit=limit)
        last.append(last_shown(p_values, confidence))
    index, good = np.concatenate(last), sum(risk <= 1 for risk in RISKS)
    return {
        "violations": float((index >= good).mean()),
        "certified": float((index >= 0).mean()),
        "best": float((index == good - 1).mean()),
    }


def main() -> None:
    """Simulate what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    add_common_flags(parser)
    args = parser.parse_args()
    draws, sizes = (4 * CHUNK, SAMPLES[:1]) if args.quick else (DRAWS, SAMPLES)
    found = list[dict[str, Any]]()
    losses: tuple[Loss, ...] = ("accuracy drop", "disagreement")
    for samples in sizes:
        for loss in losses:
            for method in METHODS:
                shares = simulated_violations(
                    method, loss, draws=draws, samples=samples, limit=LIMIT, confidence=CONFIDENCE, seed=args.seed
                )
                found.append({"loss": loss, "method": method, "samples": samples, **shares})
                print(f"{loss:14} {method:18} {samples:5} samples", {k: round(v, 4) for k, v in shares.items()})
    settings = {"limit": LIMIT, "confidence": CONFIDENCE, "draws": draws, "seed": args.seed}
    candidates = {"risks_in_limits": RISKS, "accuracy": ACCURACY, "gained": GAINED}
    write_figure("certificate_simulation", "known", {**settings, **candidates, "results": found}, args)


if __name__ == "__main__":
    main()
