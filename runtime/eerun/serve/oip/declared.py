"""What a request says of its inputs, against what the model takes, before anybody looks at their data."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from eerun.bundle.manifest import InputEntry
from eerun.serve.errors import RequestError
from eerun.serve.oip.datatypes import NAMES, dtype_of
from eerun.serve.oip.tensors import check_shape

__all__ = ["Declared", "check_declared"]

LONGEST_NAME = 64


class Declared(NamedTuple):
    """An input as a request declares it: its name, the protocol's name of its datatype, and the shape of all of it."""

    name: str
    datatype: str
    shape: Sequence[int]


def check_declared(entries: Sequence[InputEntry], declared: Sequence[Declared], *, most_samples: int) -> None:
    """Refuse inputs that the model cannot take. It costs nothing, however large the data are.

    Args:
        entries: what the bundle declares.
        declared: what the request declares, in any order.
        most_samples: that may wait at once.

    Raises:
        RequestError: other names, datatypes or shapes than the model has, different numbers of samples, none, or more
            than may wait.
    """
    given = {each.name: each for each in declared}
    if len(given) != len(declared):
        raise RequestError("inputs", "an input is given twice", "Give each input once")
    if len(given) != len(entries) or any(entry.name not in given for entry in entries):
        names = [entry.name for entry in entries]
        got = sorted(name[:LONGEST_NAME] for name in given)[: len(names) + 1]
        raise RequestError("inputs", f"got {got}, expected {names}", "Give those that the model has")
    for entry in entries:
        _check(given[entry.name], entry, most_samples)
    if len({each.shape[0] for each in declared}) != 1:
        counts = {entry.name: given[entry.name].shape[0] for entry in entries}
        problem = f"got different numbers of samples: {counts}"
        raise RequestError("inputs", problem, "Give the same number for each")


def _check(given: Declared, entry: InputEntry, most_samples: int) -> None:
    """Check one input; text is made only for a refusal, because this runs for every request."""
    shape = given.shape
    elements = check_shape(entry.name, shape)
    if NAMES.get(given.datatype) != entry.dtype or not _fits(shape, entry) or not elements:
        raise _refusal(given, entry)
    if shape[0] > most_samples or elements > most_samples * prod(entry.shape):
        problem = f"got {entry.dtype} {list(shape)}, expected at most {most_samples} samples: more cannot wait at once"
        raise RequestError(f"input {entry.name!r}", problem, "Send them in several requests")


def _fits(shape: Sequence[int], entry: InputEntry) -> bool:
    """Whether an array has the axes of the input; how long a dynamic one is, its values must tell."""
    sizes = tuple(shape[1:])
    if sizes == entry.shape:
        return True
    return len(sizes) == len(entry.shape) and all(
        got == size or axis == entry.sequence for axis, (got, size) in enumerate(zip(sizes, entry.shape, strict=True))
    )


def _refusal(given: Declared, entry: InputEntry) -> RequestError:
    """Why an input is none of the model's."""
    where, shape, dtype = f"input {entry.name!r}", list(given.shape), dtype_of(given.datatype).name
    sizes = [f"up to {size}" if axis == entry.sequence else str(size) for axis, size in enumerate(entry.shape)]
    expected = f"{entry.dtype} [batch, {', '.join(sizes)}]"
    if dtype != entry.dtype:
        return RequestError(where, f"got {dtype}, expected {expected}", f"Send {entry.dtype}")
    if not _fits(shape, entry):
        remedy = "Add a batch axis" if tuple(shape) == entry.shape else "Give samples of that shape"
        return RequestError(where, f"got {dtype} {shape}, expected {expected}", remedy)
    return RequestError(where, "got no samples, expected at least 1", "Give a batch of one or more")
