"""The trained network that heads are attached to, from whatever the user has of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eecompile.attach.attached import Attached
from eecompile.attach.settings import AttachSettings
from eecompile.checkpoint import build_module, load_checkpoint
from eecompile.fold.refuse_folded import refuse_folded
from eecompile.ingest.from_module import load_module
from eecompile.ingest.raw_input import described_input
from eecompile.ingest.settings import INPUT_FIELDS
from eecompile.input_info import InputInfo
from eecompile.make_network import load_weights, make_network, network_words
from eecompile.torch_file import TorchKind, has_foreign_objects, load_tensors_only, torch_kind
from eengines.errors import IngestError, UserError

__all__ = ["ZOO", "Backbone", "load_backbone"]

ZOO = "zoo:"
"""What stands before the name of a zoo network that is not in a file."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Backbone:
    """A network and how it is made again.

    Attributes:
        trunk: the module, in evaluation mode and float32.
        arch: its name in the zoo, or None: the user's factory makes it.
        arch_kwargs: keyword arguments of either.
        inputs: what raw samples look like.
        task: of the checkpoint; None: told by the answer's shape.
        classes: names of the classes, where they are known.
        fresh: whether its weights are untrained.
        note: what the user should know of how it was taken.
    """

    trunk: nn.Module
    arch: str | None
    arch_kwargs: Mapping[str, Any]
    inputs: tuple[InputInfo, ...]
    task: str | None = None
    classes: tuple[str, ...] | None = None
    fresh: bool = False
    note: str | None = None


def load_backbone(name: str, settings: AttachSettings) -> Backbone:
    """Load a network to attach heads to.

    Args:
        name: a checkpoint of the project (of a multi-exit one the last exit is the answer; of one with attached heads
            the trunk is taken); a file of weights alone, for `settings.factory` or `settings.arch`; with
            `settings.trust` a pickled module; or `zoo:NAME`, with the weights of `settings.weights` or fresh ones.
        settings: what the user says about it.

    Raises:
        IngestError: a file that cannot be loaded, or weights that do not fit.
        UserError: settings that have no meaning for this backbone, or are missing, or a folded network.
    """
    if name.startswith(ZOO):
        return _from_zoo(name.removeprefix(ZOO), settings)
    path = Path(name)
    if settings.weights is not None:
        raise UserError("--weights", f"{name} has weights of its own", "Leave it out; it is for zoo:NAME")
    if path.suffix.lower() == ".onnx":
        raise IngestError(name, "is an ONNX graph, expected a torch module", "Give the checkpoint it was exported from")
    kind = torch_kind(path)
    if kind is not TorchKind.SAVED:
        problem = f"is {kind.value}, whose modules cannot be tapped"
        raise IngestError(name, problem, "Give a checkpoint, or weights with --factory")
    if settings.trust and has_foreign_objects(path):
        return _from_pickle(path, settings)
    content = load_tensors_only(path)
    if isinstance(content, dict) and "format" in content:
        return _from_checkpoint(path, settings)
    return _from_weights(content, settings, where=name)


def _from_checkpoint(path: Path, settings: AttachSettings) -> Backbone:
    where = str(path)
    settings.ingest.refuse(INPUT_FIELDS, where=where, why="a checkpoint describes its inputs itself")
    _no_arch(settings, where=where, why="a checkpoint names its network itself")
    checkpoint = load_checkpoint(path)
    refuse_folded(checkpoint.fold, where=where, why="a head would answer for one image, its features are of several")
    module, note = build_module(checkpoint, settings.factory), None
    if isinstance(module, Attached):
        module, note = module.trunk, f"{where} has heads already: they are left out, its trunk gets new ones"
    elif len(checkpoint.exits) > 1:
        note = (
            f"{where} has {len(checkpoint.exits)} exits: the answer of the last, {checkpoint.exits[-1]}, is the trunk's"
        )
    return Backbone(
        trunk=module,
        arch=None if settings.factory else checkpoint.arch,
        arch_kwargs=checkpoint.arch_kwargs,
        inputs=checkpoint.inputs,
        task=checkpoint.task,
        classes=checkpoint.classes,
        note=note,
    )


def _from_pickle(path: Path, settings: AttachSettings) -> Backbone:
    where = str(path)
    settings.ingest.refuse(("factory",), where=where, why="a pickled module names its own class")
    _no_arch(settings, where=where, why="a pickled module names its own class")
    info = described_input(settings.ingest, where=where)
    return Backbone(trunk=load_module(path), arch=None, arch_kwargs={}, inputs=(info,))


def _from_zoo(arch: str, settings: AttachSettings) -> Backbone:
    where = f"{ZOO}{arch}"
    if settings.arch is not None or settings.factory is not None:
        given = "--arch" if settings.arch is not None else "--factory"
        raise UserError(where, f"got {given}, but the zoo names the network", f"Leave out {given}")
    if settings.weights is not None:
        return _from_weights(load_tensors_only(settings.weights), settings, where=str(settings.weights), arch=arch)
    return _made(arch, settings, weights=None, where=where)


def _from_weights(content: object, settings: AttachSettings, *, where: str, arch: str | None = None) -> Backbone:
    """Weights alone: a dictionary of tensors, or one that has it under `state_dict`."""
    inner = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(inner, dict) or not inner or not all(isinstance(weight, Tensor) for weight in inner.values()):
        problem = f"holds {type(content).__name__}, expected a checkpoint, or a dictionary of weights by name"
        raise IngestError(where, problem, "Save model.state_dict(), or a checkpoint")
    name = arch or settings.arch
    if name is None and settings.factory is None:
        problem = "holds weights alone, which do not say what network they are of"
        raise IngestError(where, problem, "Pass --arch NAME or --factory package.module:function")
    return _made(name, settings, weights=inner, where=where)


def _made(arch: str | None, settings: AttachSettings, *, weights: Mapping[str, Tensor] | None, where: str) -> Backbone:
    """A network of the zoo or the factory, with these weights or fresh ones."""
    info = described_input(settings.ingest, where=where)
    with torch.random.fork_rng():
        torch.manual_seed(settings.train.seed)
        trunk = make_network(arch, settings.arch_kwargs, settings.factory)
    if weights is not None:
        load_weights(trunk, weights, where=network_words(arch, settings.factory))
    return Backbone(
        trunk=trunk.float().eval(),
        arch=arch,
        arch_kwargs=settings.arch_kwargs,
        inputs=(info,),
        fresh=weights is None,
    )


def _no_arch(settings: AttachSettings, *, where: str, why: str) -> None:
    given = "--arch" if settings.arch is not None else "--arch-args" if settings.arch_kwargs else None
    if given is not None:
        raise UserError(where, f"got {given}, but {why}", f"Leave out {given}")
