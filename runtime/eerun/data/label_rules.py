"""Which labels fit the answers of a network, and which pixels do not count."""

from collections.abc import Sequence

from eengines.errors import DataError
from eerun.data.data_set import Labels

__all__ = ["check_labels", "ignored_label"]

IGNORED = 255
"""The usual label of pixels that belong to no class. A network with more classes than this has it as a class."""


def ignored_label(output: Sequence[int]) -> int | None:
    """Return the label of pixels that do not count; None: every label counts.

    Args:
        output: shape of one sample's logits, `(classes,)` or `(classes, height, width)`.
    """
    return IGNORED if len(output) > 1 and output[0] <= IGNORED else None


def check_labels(labels: Labels | None, output: Sequence[int], *, source: str) -> None:
    """Refuse labels that no answer of the network can match.

    Args:
        labels: of some samples, or None.
        output: shape of one sample's logits, `(classes,)` or `(classes, height, width)`.
        source: where the labels come from, for messages.

    Raises:
        DataError: one label a sample where the network answers every pixel, or the other way round, maps of another
            size, a pixel of a class that the network does not have, or maps without any pixel that counts.
    """
    if labels is None:
        return
    if labels.shape[1:] != tuple(output[1:]):
        got = ", ".join(map(str, ["samples", *labels.shape[1:]]))
        expected = ", ".join(map(str, ["samples", *output[1:]]))
        raise DataError(
            source,
            f"labels have the shape [{got}], expected [{expected}]: one for each answer of the network",
            "Give labels of the size of the answers",
        )
    if len(output) > 1:
        _check_classes(labels, output[0], ignored_label(output), source=source)


def _check_classes(labels: Labels, classes: int, ignored: int | None, *, source: str) -> None:
    """Maps are looked at sample by sample: a mask of all of them would take as much memory again."""
    counts = False
    for sample, each in enumerate(labels):
        known = each if ignored is None else each[each != ignored]
        if known.size and not 0 <= int(known.min()) <= int(known.max()) < classes:
            also = "" if ignored is None else f", or {ignored} for pixels that do not count"
            raise DataError(
                source,
                f"labels of sample {sample} run from {known.min()} to {known.max()}, expected 0..{classes - 1}{also}",
                "Correct the labels, or give data of the network's classes",
            )
        counts = counts or bool(known.size)
    if not counts:
        raise DataError(source, f"all pixels have the label {ignored}, which does not count", "Label some pixels")
