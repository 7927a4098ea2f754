"""Where a network cuts tensors apart: slices, splits and picked features, as operators see them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Cut", "WatchCuts"]


@dataclass(frozen=True, kw_only=True)
class Cut:
    """One part that was taken out of a tensor along one axis.

    Attributes:
        name: of the module that was running.
        kind: of the operator.
        axis: counted from 0.
        size: of the tensor along that axis.
        start: first place of the part.
        stop: behind its last place. Of places that are picked one by one the number of them, and `start` is 0.
    """

    name: str
    kind: str
    axis: int
    size: int
    start: int
    stop: int


class WatchCuts(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types there
    """Notes every cut while it is entered.

    Args:
        running: returns the name of the module that is running.
    """

    def __init__(self, running: Callable[[], str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.cuts: list[Cut] = []
        self._running = running

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operator, and note what it cuts."""
        made = func(*args, **(kwargs or {}))
        parts = _PARTS.get(func.overloadpacket)
        for axis, start, stop in () if parts is None else parts(args, kwargs or {}, made):
            size, kind = args[0].shape[axis], str(func.overloadpacket).removeprefix("aten.")
            cut = Cut(name=self._running(), kind=kind, axis=axis % args[0].ndim, size=size, start=start, stop=stop)
            self.cuts.append(cut)
        return made


Parts = Iterator[tuple[int, int, int]]
Given = Sequence[Any]
Named = Mapping[str, Any]


def _slice(args: Given, named: Named, made: Tensor) -> Parts:
    axis = _at(args, named, 1, "dim", 0)
    size, start, step = args[0].shape[axis], _at(args, named, 2, "start", None) or 0, _at(args, named, 4, "step", 1)
    start = min(max(start + size if start < 0 else start, 0), size)
    stop = min(start + step * made.shape[axis], size)
    if step > 1 or (start, stop) != (0, size):
        yield axis, start, stop


def _select(args: Given, named: Named, _made: Tensor) -> Parts:
    axis, index = _at(args, named, 1, "dim", 0), _at(args, named, 2, "index", 0)
    index = index % args[0].shape[axis]
    yield axis, index, index + 1


def _split(args: Given, named: Named, made: Sequence[Tensor]) -> Parts:
    axis, start = _at(args, named, 2, "dim", 0), 0
    for part in made:
        yield axis, start, start + part.shape[axis]
        start += part.shape[axis]


def _index_select(args: Given, named: Named, _made: Tensor) -> Parts:
    yield _at(args, named, 1, "dim", 0), 0, _at(args, named, 2, "index", None).numel()


def _index(args: Given, named: Named, _made: Tensor) -> Parts:
    for axis, places in enumerate(_at(args, named, 1, "indices", ())):
        if places is not None and places.dtype != torch.bool:
            yield axis, 0, places.numel()


def _at(args: Given, named: Named, place: int, name: str, default: Any) -> Any:
    """An argument, by its place or its name."""
    return args[place] if len(args) > place else named.get(name, default)


_aten = torch.ops.aten
_PARTS: Mapping[object, Callable[[Given, Named, Any], Parts]] = {
    _aten.slice: _slice,
    _aten.select: _select,
    _aten.split: _split,
    _aten.split_with_sizes: _split,
    _aten.index_select: _index_select,
    _aten.index: _index,
}
