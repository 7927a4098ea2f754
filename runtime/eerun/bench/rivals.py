"""Rivals that need more than the runtime: found by name, imported when they are asked for."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eengines.errors import UserError
from eengines.tensors import Array
from eerun.folding import GroupExit
from eerun.policies import ExitPolicy

__all__ = ["RIVALS", "Rival", "RivalEntry", "load_rival"]

Rival = Callable[[Mapping[str, Array]], tuple[NDArray[np.int64], NDArray[np.int32]]]
"""Answers a batch: labels `[samples] int64`, or `[samples, height, width]`, and exit index `[samples] int32`."""


class RivalEntry(NamedTuple):
    """Where a rival comes from, and what it is in plain words."""

    function: str
    words: str


RIVALS: Mapping[str, RivalEntry] = {
    "torch": RivalEntry(
        "eecompile.rivals.torch_eager:make_rival",
        "eager PyTorch (operator by operator) with early exit, one sample at a time",
    ),
}
"""Name → `module:function`, which takes what `load_rival` is given, and returns a `Rival`."""

EXTRA = "compile"
EXTRA_MODULES = frozenset({"eecompile", "torch", "onnx", "onnx_ir", "onnxscript", "networkx", "PIL"})


def load_rival(
    name: str,
    model: Path,
    *,
    factory: str | None,
    thresholds: Sequence[float | None],
    policy: ExitPolicy,
    threads: int,
    group_exit: GroupExit = GroupExit.ALL,
) -> Rival:
    """Return the rival called `name`.

    Args:
        name: a name from `RIVALS`.
        model: the model file that the bundle was built from.
        factory: `package.module:function` that makes the network of a checkpoint.
        thresholds: one for each exit but the last; None: nobody leaves there.
        policy: the exit policy, fitted.
        threads: how many threads it may use.
        group_exit: when a group of a folded network leaves.

    Raises:
        UserError: an unknown name, a missing model file, or a library that is not installed.
    """
    if name not in RIVALS:
        raise UserError("--against", f"got {name!r}, known are {', '.join(RIVALS)}", "Choose one of these")
    if not model.is_file():
        raise UserError("--model", f"{model}: no such file", f"Give the model that --against {name} should load")
    module, _, attribute = RIVALS[name].function.partition(":")
    try:
        make = getattr(import_module(module), attribute)
        rival: Rival = make(model, factory, tuple(thresholds), policy, threads, group_exit)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in EXTRA_MODULES:
            raise
        raise UserError(
            f"--against {name}", f"needs {error.name}, which is not installed", f"Run: pip install 'eecompile[{EXTRA}]'"
        ) from error
    return rival
