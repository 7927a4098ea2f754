"""The network before folding, from a checkpoint."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from eecompile.attach.change_heads import prune
from eecompile.checkpoint import Checkpoint, build_module, load_checkpoint
from eecompile.fold.foldable import check_foldable
from eecompile.fold.refuse_folded import refuse_folded
from eecompile.ingest.network import check_logits, example_inputs
from eecompile.ingest.source_hash import source_hash
from eecompile.torch_file import TorchKind, has_foreign_objects, torch_kind
from eengines.errors import IngestError

__all__ = ["Teacher", "load_teacher"]

CHECKPOINT = "Folding makes new weights for the network's code: give a checkpoint"


@dataclass(frozen=True, kw_only=True, eq=False)
class Teacher:
    """The network before folding.

    Attributes:
        checkpoint: without heads that are no exits: those do not run, and nothing would train them.
        network: frozen, in evaluation mode and float32.
        classes: how many each exit has.
        source_sha256: of the file.
    """

    checkpoint: Checkpoint
    network: nn.Module
    classes: int
    source_sha256: str

    @property
    def exits(self) -> tuple[str, ...]:
        """Names of the exits, shallow to deep."""
        return self.checkpoint.exits

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image, `(channels, height, width)`, as the network sees it."""
        return self.checkpoint.inputs[0].network_shape

    def logits(self, images: Tensor) -> Tensor:
        """Answer images `[images, channels, height, width]`: `[images, exits, classes] float32`."""
        with torch.no_grad():
            made = self.network(images)
        return torch.stack([logits.float() for logits in (made if isinstance(made, tuple | list) else (made,))], 1)


def load_teacher(model: Path, factory: str | None) -> Teacher:
    """Load a network that is to be folded.

    Args:
        model: a checkpoint of the project.
        factory: `package.module:function` that makes the network, or None.

    Raises:
        IngestError: the file is no checkpoint, or cannot be folded.
        UserError: it is folded already.
    """
    where = str(model)
    _refuse_other_files(model)
    checkpoint = load_checkpoint(model)
    refuse_folded(checkpoint.fold, where=where, why="it would be folded twice")
    check_foldable(checkpoint.inputs, checkpoint.task, where=where)
    if checkpoint.attached is not None:
        checkpoint = prune(checkpoint)
    network = build_module(checkpoint, factory).requires_grad_(False)
    examples = example_inputs(checkpoint.inputs, [info.network_dtype for info in checkpoint.inputs])
    with torch.no_grad():
        logits = check_logits(network(*examples), where=where)
    widths = {tensor.shape[1] for tensor in logits}
    if len(logits) != len(checkpoint.exits) or len(widths) > 1:
        shapes = ", ".join(str(list(tensor.shape)) for tensor in logits)
        problem = f"forward returns {shapes} for the {len(checkpoint.exits)} exits of the checkpoint and 3 images"
        raise IngestError(where, problem, "Let forward return logits of all classes for every exit, shallow to deep")
    return Teacher(
        checkpoint=replace(checkpoint, state_dict=network.state_dict()),
        network=network,
        classes=widths.pop(),
        source_sha256=source_hash([model]),
    )


def _refuse_other_files(model: Path) -> None:
    where = str(model)
    if model.is_dir():
        raise IngestError(where, "is a folder, expected a checkpoint", CHECKPOINT)
    if model.suffix.lower() == ".onnx":
        raise IngestError(where, "is an ONNX graph, expected a checkpoint", CHECKPOINT)
    kind = torch_kind(model)
    if kind is not TorchKind.SAVED:
        raise IngestError(where, f"is {kind.value}, expected a checkpoint", CHECKPOINT)
    if has_foreign_objects(model):
        raise IngestError(where, "is a pickled module, expected a checkpoint", CHECKPOINT)
