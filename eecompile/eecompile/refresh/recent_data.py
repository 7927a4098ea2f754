"""Recent samples: what heads learn from, what thresholds are tuned on, and what is reported."""

from collections.abc import Mapping

import numpy as np

from eecompile.refresh.settings import RefreshSettings
from eengines.errors import DataError, UserError
from eerun.bundle import Manifest
from eerun.data import Samples, check_labels, load_data
from eerun.data.data_set import UNSPLIT
from eerun.inputs import check_inputs

__all__ = ["LEAST_SAMPLES", "recent_splits"]

SHARES = {"train": 60, "tune": 20, "test": 20}
"""Per cent of samples that come without splits."""

LEAST_SAMPLES = 20
"""Of *tune* and *test*: with fewer, one sample is more than 5 % of what a drop is measured on."""


def recent_splits(settings: RefreshSettings, manifest: Manifest, *, output: tuple[int, ...]) -> Mapping[str, Samples]:
    """Load recent samples, and return their splits train, tune and test.

    Samples without splits are cut at random, seeded: 60 % train, 20 % tune, 20 % test. A source that names its splits
    must have these three.

    Args:
        settings: where the samples are, the seed of the cut, and whether heads learn labels.
        manifest: of the bundle.
        output: shape of one sample's logits.

    Raises:
        UserError: heads shall learn labels, and there are none.
        DataError: a split is missing, or there are too few samples.
        InputError: samples of another shape or dtype than the bundle takes.
    """
    source = settings.data
    given = load_data(source, input_names=[entry.name for entry in manifest.inputs]).splits
    splits = (
        _cut(given[UNSPLIT], settings.train.seed)
        if UNSPLIT in given
        else {name: given[name] for name in SHARES if name in given}
    )
    missing = [name for name in SHARES if name not in splits]
    if missing:
        got, expected = ", ".join(given), ", ".join(SHARES)
        problem = f"got the splits {got}, expected {expected}, or samples without splits"
        raise DataError(source, problem, f"Add x_{missing[0]}, or give all samples as x, and they are cut")
    if settings.train.needs_labels and splits["train"].labels is None:
        problem = f"got no labels in {source}, expected one for each sample"
        raise UserError(
            "--target labels", problem, "Add them as y, or let heads learn the trunk's answers: --target trunk"
        )
    for name, samples in splits.items():
        if name != "train" and len(samples) < LEAST_SAMPLES:
            problem = f"split '{name}' has {len(samples)} samples, expected {LEAST_SAMPLES} or more"
            raise DataError(source, problem, "Collect more: one in five samples is for tuning, one in five for testing")
        check_inputs(samples.inputs, manifest.inputs)
        check_labels(samples.labels, output, source=f"{source}, split {name!r}")
    return splits


def _cut(samples: Samples, seed: int) -> dict[str, Samples]:
    order = np.random.default_rng((seed, len(samples))).permutation(len(samples))
    bounds = np.round(np.cumsum(list(SHARES.values()))[:-1] * len(samples) / 100).astype(np.int64)
    return {name: samples.take(part) for name, part in zip(SHARES, np.split(order, bounds), strict=True)}
