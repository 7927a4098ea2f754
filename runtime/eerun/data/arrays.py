"""Named arrays become a data set: `x`, `y`, `<input>_<split>`, `classes`."""

from collections.abc import Mapping, Sequence

import numpy as np

from eengines.errors import DataError
from eengines.tensors import Array
from eerun.data.data_set import SPLITS, UNSPLIT, DataSet, Labels, Samples

__all__ = ["data_set_from_arrays"]

LABELS = "y"
CLASSES = "classes"

MAP_RANK = 3
"""Axes of labels with one class a pixel: samples, height, width."""

_NAMING = "Name the arrays x and y, or x_<split> and y_<split>; with several inputs use their names in the place of x"

_KINDS = {
    "O": "Python objects",
    "U": "strings",
    "T": "strings",
    "S": "byte strings",
    "V": "records",
    "M": "dates",
    "m": "durations",
    "c": "complex numbers",
}


def _locate_all(keys: Sequence[str], *, source: str, input_names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Say for every key which tensor of which split it holds, without looking at the arrays.

    Args:
        keys: the names of the arrays; `classes` is left out of the result.
        source: where they come from, for messages.
        input_names: the network's inputs; `x` stands for the only input of a network with one input.

    Returns:
        key -> (input name or `y`, split name or `UNSPLIT`).

    Raises:
        DataError: a key that is neither, an unknown split, no input array, or split and unsplit arrays together.
    """
    located = {key: _locate(key, source=source, input_names=input_names) for key in keys if key != CLASSES}
    splits = {split for _, split in located.values()}
    if not any(tensor != LABELS for tensor, _ in located.values()):
        raise DataError(source, f"has no input arrays: got {_listed(keys)}, expected {_expected(input_names)}", _NAMING)
    if UNSPLIT in splits and len(splits) > 1:
        raise DataError(
            source,
            f"mixes arrays with and without a split: got {_listed(keys)}",
            f"Give every array the split it belongs to ({', '.join(SPLITS)}), or none of them",
        )
    if len(set(located.values())) < len(located):
        raise DataError(source, f"has two arrays for one input: got {_listed(keys)}", "Keep one of them")
    return located


def data_set_from_arrays(arrays: Mapping[str, Array], *, source: str, input_names: Sequence[str]) -> DataSet:
    """Check named arrays and sort them into splits.

    Args:
        arrays: `x` and `y`, or `x_<split>` and `y_<split>`; for a network with several inputs their names in the place
            of `x`. `y` (`[samples]` or `[samples, height, width]` integers) and `classes` (`[classes]` strings) are
            optional.
        source: where the arrays come from, for messages.
        input_names: the network's inputs.

    Raises:
        DataError: arrays that are missing, do not fit together, or hold something else than numbers.
    """
    located = _locate_all(list(arrays), source=source, input_names=input_names)
    classes = _classes(arrays[CLASSES], source=source) if CLASSES in arrays else None
    by_place = {place: (key, arrays[key]) for key, place in located.items()}
    names = [name for name in (UNSPLIT, *SPLITS) if any(split == name for _, split in by_place)]
    splits = {name: _samples(name, by_place, classes=classes, source=source, input_names=input_names) for name in names}
    return DataSet(splits=splits, classes=classes, source=source)


def _expected(input_names: Sequence[str]) -> str:
    return "x" if len(input_names) == 1 else ", ".join(input_names)


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(keys) or "nothing"


def _locate(key: str, *, source: str, input_names: Sequence[str]) -> tuple[str, str]:
    stems = {name: name for name in input_names}
    if len(input_names) == 1:
        stems["x"] = input_names[0]
    stems[LABELS] = LABELS
    if key in stems:
        return stems[key], UNSPLIT
    stem, _, split = key.rpartition("_")
    if stem in stems and split in SPLITS:
        return stems[stem], split
    if stem in stems:
        raise DataError(
            source, f"array '{key}' has the unknown split '{split}'", f"The splits are {', '.join(SPLITS)}; rename it"
        )
    raise DataError(
        source, f"array '{key}' is neither an input, 'y' nor 'classes': expected {_expected(input_names)}", _NAMING
    )


def _samples(
    split: str,
    by_place: Mapping[tuple[str, str], tuple[str, Array]],
    *,
    classes: tuple[str, ...] | None,
    source: str,
    input_names: Sequence[str],
) -> Samples:
    suffix = "" if split == UNSPLIT else f"_{split}"
    inputs = {}
    for name in input_names:
        if (name, split) not in by_place:
            raise DataError(source, f"lacks input '{name}{suffix}'", f"Add the array '{name}{suffix}'")
        inputs[name] = _input(*by_place[name, split], source=source)
    counts = {name: len(array) for name, array in inputs.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name}{suffix}: {count}" for name, count in counts.items())
        raise DataError(source, f"inputs have different numbers of samples: got {listed}", "Give as many of each")
    found = by_place.get((LABELS, split))
    count = next(iter(counts.values()))
    labels = None if found is None else _labels(*found, count=count, classes=classes, source=source)
    return Samples(inputs=inputs, labels=labels)


def _input(key: str, array: Array, *, source: str) -> Array:
    if array.dtype.kind not in "buif":
        held = _KINDS.get(array.dtype.kind, str(array.dtype))
        raise DataError(source, f"array '{key}' holds {held}, expected numbers", "Save it as integers or floats")
    if array.ndim == 0:
        raise DataError(source, f"array '{key}' is a single number, expected [samples, ...]", "Add the sample axis")
    if len(array) == 0:
        raise DataError(source, f"array '{key}' is empty: got shape {array.shape}", "Give at least one sample")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _labels(key: str, array: Array, *, count: int, classes: tuple[str, ...] | None, source: str) -> Labels:
    if array.dtype.kind not in "ui" or array.ndim not in (1, MAP_RANK):
        raise DataError(
            source,
            f"labels '{key}' are {array.dtype} with shape {list(array.shape)}, expected integers with shape [samples], "
            "or [samples, height, width] with one class a pixel",
            "Save the index of each sample's class",
        )
    if len(array) != count:
        raise DataError(source, f"labels '{key}' has {len(array)} rows for {count} samples", "Give one label a sample")
    if array.ndim == MAP_RANK:
        return _map(key, array, source=source)
    low, high = int(array.min()), int(array.max())
    limit = len(classes) - 1 if classes else np.iinfo(np.int64).max
    if low < 0 or high > limit:
        expected = f"0..{limit}" if classes else "0 or more"
        raise DataError(source, f"labels '{key}' run from {low} to {high}, expected {expected}", "Correct the labels")
    return array.astype(np.int64, copy=False)


def _map(key: str, array: Array, *, source: str) -> Labels:
    """Labels of pixels; bytes stay bytes. Which classes there are is checked when the network is known."""
    if array.dtype == np.uint8:
        return array
    low = int(array.min(initial=0))
    if low < 0:
        raise DataError(source, f"labels '{key}' go down to {low}, expected 0 or more", "Correct the labels")
    return array.astype(np.int64, copy=False)


def _classes(array: Array, *, source: str) -> tuple[str, ...]:
    if array.dtype.kind not in "USui" or array.ndim != 1 or len(array) == 0:
        raise DataError(
            source,
            f"'classes' is {array.dtype} with shape {list(array.shape)}, expected strings with shape [classes]",
            "Save np.array([...names...]) or leave 'classes' out",
        )
    names = np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array
    return tuple(str(name) for name in names)
