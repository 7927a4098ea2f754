"""Samples as the rows that graphs take: of a folded network a row is a group of images."""

from collections.abc import Mapping

from eengines.tensors import Array
from eerun.folding import to_rows

__all__ = ["graph_rows", "sample_outputs"]


def graph_rows(samples: Mapping[str, Array], fold: int) -> Mapping[str, Array]:
    """Return what graphs are given for samples.

    Args:
        samples: `[samples, ...]` by input name.
        fold: images a row; 1: the samples are rows.

    Returns:
        `[rows, fold, ...]` by input name, the last row filled up with the last image; with a fold of 1 the samples.
    """
    return samples if fold == 1 else {name: to_rows(array, fold) for name, array in samples.items()}


def sample_outputs(output: Array, fold: int, samples: int) -> Array:
    """Return what a graph made for each sample, `[samples, ...]`, without what fills up the last row."""
    return output if fold == 1 else output.reshape(-1, *output.shape[2:])[:samples]
