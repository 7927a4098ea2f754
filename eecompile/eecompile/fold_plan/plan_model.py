"""Plan the folding of a checkpoint, or of a network of the zoo."""

from pathlib import Path
from typing import TYPE_CHECKING

from eecompile.attach.change_heads import prune
from eecompile.checkpoint import build_module, load_checkpoint
from eecompile.fold.foldable import check_image
from eecompile.fold_plan.plan import FoldPlan, plan_folding
from eecompile.fold_plan.settings import PlanSettings
from eecompile.make_network import make_network
from eengines.errors import IngestError, UserError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["plan_model"]

ZOO = "zoo:"


def plan_model(model: str, settings: PlanSettings) -> FoldPlan:
    """Load a network and plan its folding; weights do not matter.

    Args:
        model: a checkpoint of the project, or `zoo:NAME`.
        settings: of the plan.

    Raises:
        IngestError: a file that is no checkpoint, or a network that cannot be folded.
        UserError: settings that have no meaning for this model, or are missing.
    """
    module, shape = _from_zoo(model, settings) if model.startswith(ZOO) else _from_checkpoint(model, settings)
    check_image(shape, where=model)
    return plan_folding(module, shape, settings, where=model)


def _from_zoo(model: str, settings: PlanSettings) -> "tuple[nn.Module, tuple[int, ...]]":
    if settings.factory is not None:
        raise UserError(model, "got --factory, but the zoo names the network", "Leave out --factory")
    if settings.input_shape is None:
        problem = "a network of the zoo does not say how large its images are"
        raise UserError(model, problem, "Pass --input-shape, for example 3,32,32")
    module = make_network(model.removeprefix(ZOO), settings.arch_kwargs, None)
    return module.float(), settings.input_shape


def _from_checkpoint(model: str, settings: PlanSettings) -> "tuple[nn.Module, tuple[int, ...]]":
    for flag, given in (("--arch-args", settings.arch_kwargs), ("--input-shape", settings.input_shape)):
        if given:
            raise UserError(model, f"got {flag}, but a checkpoint describes itself", f"Leave out {flag}")
    checkpoint = load_checkpoint(Path(model))
    if checkpoint.fold != 1:
        raise IngestError(model, f"is folded by {checkpoint.fold} already", "Give the network before folding")
    if len(checkpoint.inputs) != 1:
        problem = f"has {len(checkpoint.inputs)} inputs, expected one"
        raise IngestError(model, problem, "Only networks of images can be folded")
    if checkpoint.attached is not None:
        checkpoint = prune(checkpoint)  # heads that are no exits do not run, and are not folded
    return build_module(checkpoint, settings.factory), checkpoint.inputs[0].network_shape
