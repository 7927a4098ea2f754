"""The one place that decides which sample is used for what."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from eengines.errors import DataError
from eerun.data.data_set import SPLITS, UNSPLIT, DataSet, Samples

__all__ = ["make_splits"]

CALIB_SAMPLES = 1024
"""Enough for int8 ranges; more only costs time."""

CALIB_FRACTION_OF_TRAIN = 0.2

WEIGHTS = {"calib": 10, "tune": 36, "certify": 18, "test": 36}
"""Shares of samples that no weight has seen. Without calib this is 40/20/40 for tune, certify and test."""

Index = NDArray[np.int64]


def make_splits(data: DataSet, *, seed: int) -> Mapping[str, Samples]:
    """Return the splits train (where there is one), calib, tune, certify and test, which never overlap.

    Splits that the source gives are kept. A missing calib is cut from train: 20 % of it, at most 1,024 samples. A
    missing tune or certify is cut from test, since thresholds tuned on samples that the weights have seen are
    worthless; so is calib where there is no train. An unsplit set counts as test. What is cut is a seeded random
    choice, copied when it is first asked for.

    Args:
        data: what `load_data` returned.
        seed: the same seed and data give the same splits.

    Raises:
        DataError: there is no test split, or too few samples to cut from.
    """
    given = dict(data.splits)
    if UNSPLIT in given:
        given = {"test": given[UNSPLIT]}
    if "test" not in given:
        got = ", ".join(given) or "nothing"
        raise DataError(
            data.source, f"has no split 'test': got {got}", "Add x_test (and y_test) that no weight has seen"
        )
    takes: dict[str, Callable[[], Samples]] = {name: _whole(samples) for name, samples in given.items()}
    if "calib" not in given and "train" in given:
        count = len(given["train"])
        calib = min(CALIB_SAMPLES, int(count * CALIB_FRACTION_OF_TRAIN))
        parts = _cut(count, {"calib": calib, "train": count - calib}, name="train", seed=(seed, 0), source=data.source)
        takes |= _parts(given["train"], parts)
    missing = [name for name in WEIGHTS if name not in takes]
    if missing:
        count = len(given["test"])
        sizes = _shares(count, {name: WEIGHTS[name] for name in (*missing, "test")})
        parts = _cut(count, sizes, name="test", seed=(seed, 1), source=data.source)
        takes |= _parts(given["test"], parts)
    return _Splits({name: takes[name] for name in SPLITS if name in takes})


class _Splits(Mapping[str, Samples]):
    """Splits that are copied out of their source when they are first asked for."""

    def __init__(self, takes: Mapping[str, Callable[[], Samples]]) -> None:
        self._takes = takes
        self._taken: dict[str, Samples] = {}

    def __getitem__(self, name: str) -> Samples:
        if name not in self._taken:
            self._taken[name] = self._takes[name]()
        return self._taken[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._takes)

    def __len__(self) -> int:
        return len(self._takes)


def _whole(samples: Samples) -> Callable[[], Samples]:
    return lambda: samples


def _parts(samples: Samples, parts: Mapping[str, Index]) -> dict[str, Callable[[], Samples]]:
    def part(index: Index) -> Callable[[], Samples]:
        return lambda: samples.take(index)

    return {name: part(index) for name, index in parts.items()}


def _shares(count: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Divide `count` by weights: cumulative shares are rounded, so that the sizes add up to `count`."""
    total = sum(weights.values())
    sizes, before, reached = {}, 0, 0
    for name, weight in weights.items():
        reached += weight
        after = round(count * reached / total)
        sizes[name], before = after - before, after
    return sizes


def _cut(count: int, sizes: Mapping[str, int], *, name: str, seed: tuple[int, int], source: str) -> dict[str, Index]:
    """Divide `0..count-1` at random into parts of the given sizes."""
    empty = [part for part, size in sizes.items() if size == 0]
    if empty:
        wanted = ", ".join(sizes)
        raise DataError(
            source,
            f"split '{name}' has {count} samples, too few to cut {wanted} from it ('{empty[0]}' would be empty)",
            "Give more samples, or give the missing splits as arrays of their own",
        )
    order = np.random.default_rng(seed).permutation(count)
    bounds = np.cumsum(list(sizes.values()))[:-1]
    return dict(zip(sizes, np.split(order, bounds), strict=True))
