"""Recent samples: what heads learn from, what thresholds are tuned on, and what is reported."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from eecompile.refresh.cut_samples import cut_samples
from eecompile.refresh.settings import RefreshSettings
from eengines.errors import DataError, UserError
from eerun.bundle import InputEntry, Manifest
from eerun.data import Samples, check_labels, load_data
from eerun.data.data_set import UNSPLIT
from eerun.inputs import check_inputs
from eerun.sequence import one_length

__all__ = ["LEAST_SAMPLES", "recent_splits"]

SPLITS = ("train", "tune", "test")

LEAST_SAMPLES = 20
"""Of *tune* and *test*: with fewer, one sample is more than 5 % of what a drop is measured on."""


def recent_splits(settings: RefreshSettings, manifest: Manifest, *, output: tuple[int, ...]) -> Mapping[str, Samples]:
    """Load recent samples, and return their splits train, tune and test.

    Samples without splits are cut by what they hold and the seed, see `cut_samples`: about 60 % train, 20 % tune, 20 %
    test. A source that names its splits must have these three.

    Args:
        settings: where the samples are, the seed of the cut, and whether heads learn labels.
        manifest: of the bundle.
        output: shape of one sample's logits.

    Raises:
        UserError: heads shall learn labels, and there are none.
        DataError: a split is missing, or there are too few samples.
        InputError: samples of another shape or dtype than the bundle takes, or inputs of different lengths.
    """
    source = settings.data
    given = load_data(source, input_names=[entry.name for entry in manifest.inputs]).splits
    if UNSPLIT in given:
        splits = cut_samples(_checked(given[UNSPLIT], manifest.inputs), manifest.inputs, settings.train.seed)
    else:
        splits = {name: _checked(given[name], manifest.inputs) for name in SPLITS if name in given}
    missing = [name for name in SPLITS if name not in splits]
    if missing:
        got, expected = ", ".join(given), ", ".join(SPLITS)
        problem = f"got the splits {got}, expected {expected}, or samples without splits"
        raise DataError(source, problem, f"Add x_{missing[0]}, or give all samples as x, and they are cut")
    if settings.train.needs_labels and splits["train"].labels is None:
        problem = f"got no labels in {source}, expected one for each sample"
        raise UserError(
            "--target labels", problem, "Add them as y, or let heads learn the trunk's answers: --target trunk"
        )
    _check_counts(splits, source)
    for name, samples in splits.items():
        check_labels(samples.labels, output, source=f"{source}, split {name!r}")
    return splits


def _check_counts(splits: Mapping[str, Samples], source: str) -> None:
    if all(len(splits[name]) >= LEAST_SAMPLES for name in ("tune", "test")):
        return
    counts = ", ".join(f"{len(splits[name])} {name}" for name in SPLITS)
    problem = f"got {counts} samples, expected {LEAST_SAMPLES} or more of tune and of test"
    remedy = "Collect more that differ: about one in five is for tuning, one in five for testing; copies stay together"
    raise DataError(source, problem, remedy)


def _checked(samples: Samples, entries: Sequence[InputEntry]) -> Samples:
    return replace(samples, inputs=one_length(check_inputs(samples.inputs, entries), entries))
