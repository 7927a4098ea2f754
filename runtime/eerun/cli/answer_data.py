"""Answer all samples of a data set, and keep what was said."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from eengines.errors import DataError, UserError
from eengines.tensors import Array
from eerun.cli.output_file import replace_file
from eerun.data import SPLITS, DataSet, Samples, make_splits
from eerun.data.data_set import UNSPLIT
from eerun.model import Model, Result

__all__ = ["Effort", "answer_samples", "choose_split", "write_answers"]


class Effort(NamedTuple):
    """What it took to answer samples.

    Attributes:
        seconds: in the model.
        left: how many rows left at each exit; a row is a sample, or of a folded network a group of images.
    """

    seconds: float
    left: tuple[int, ...]


def choose_split(data: DataSet, name: str | None, *, seed: int) -> tuple[str, Samples]:
    """Return the set of samples to answer, and its name.

    A set that the data name themselves is taken whole and in its order. Any other is cut as the build cuts it.

    Args:
        data: the data set.
        name: what `--split` was given; None: all of unsplit data, else `test`.
        seed: the bundle's `split_seed`.

    Raises:
        UserError: there is no split of that name.
        DataError: the split cannot be cut from these data.
    """
    chosen = name or (UNSPLIT if UNSPLIT in data.splits else "test")
    if chosen in data.splits:
        return chosen, data.splits[chosen]
    if chosen not in SPLITS:
        known = ", ".join((*data.splits, *SPLITS))
        raise UserError("--split", f"got {chosen!r}, known are {known}", "Choose one of these")
    splits = make_splits(data, seed=seed)
    if chosen not in splits:
        raise DataError(data.source, f"has no split {chosen!r}: got {', '.join(splits)}", "Choose one of these")
    return chosen, splits[chosen]


def answer_samples(
    model: Model, samples: Samples, *, batch: int, exits: bool, progress: Callable[[float], None]
) -> tuple[dict[str, Array], Effort]:
    """Answer samples batch by batch.

    Args:
        model: a bundle that is ready.
        samples: raw samples.
        batch: samples a batch.
        exits: False runs every sample to the final exit.
        progress: called with the share that is done.

    Returns:
        `labels [samples] int64`, `exit_index [samples] int32`, `confidence [samples] float32` and
        `outputs [samples, classes] float32`, in the order of the samples; and what it took. Of maps
        `labels [samples, height, width]` in the smallest integer type and no outputs, which take many times as much.

    Raises:
        UserError: the batch is not positive.
        InputError: the samples do not fit the bundle's inputs.
    """
    if batch < 1:
        raise UserError("--batch", f"got {batch}, expected at least 1", "Give a positive number of samples")
    parts, seconds, left = [], 0.0, np.zeros(len(model.manifest.exits), np.int64)
    for start in range(0, len(samples), batch):
        inputs = {name: array[start : start + batch] for name, array in samples.inputs.items()}
        before = perf_counter()
        result = model.infer(inputs, exits=exits)
        seconds += perf_counter() - before
        for step in (step for ran in result.steps for step in ran):
            left[step.segment] += step.left
        parts.append(_kept(result, model.output_shape))
        progress(min(1.0, (start + batch) / len(samples)))
    answers = {field: np.concatenate([part[field] for part in parts]) for field in parts[0]}
    return answers, Effort(seconds, tuple(left.tolist()))


def _kept(result: Result, output: Sequence[int]) -> dict[str, Array]:
    """What is written of one batch."""
    kept: dict[str, Array] = {
        "labels": result.labels,
        "exit_index": result.exit_index,
        "confidence": result.confidence,
    }
    if len(output) > 1:
        return kept | {"labels": result.labels.astype(np.min_scalar_type(output[0]))}
    return kept | {"outputs": result.outputs}


def write_answers(path: Path, answers: Mapping[str, Array], samples: Samples) -> None:
    """Write answers, and the labels of the data as `y` where there are any, to a `.npz`.

    Raises:
        UserError: the file cannot be written.
    """
    arrays: dict[str, Any] = dict(answers)
    if samples.labels is not None:
        arrays["y"] = samples.labels
    with replace_file(path, flag="-o") as file:
        np.savez(file, **arrays)
