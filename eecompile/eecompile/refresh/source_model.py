"""The checkpoint that a bundle was built from, with its trunk and heads."""

from dataclasses import dataclass
from pathlib import Path

from eecompile.attach.attached import Attached
from eecompile.checkpoint import Checkpoint, build_module, load_checkpoint
from eecompile.fold.refuse_folded import refuse_folded
from eecompile.ingest.source_hash import source_hash
from eecompile.refresh.pending_model import finish_pending, pending_path
from eecompile.stages import Stages
from eengines.errors import BundleError, UserError
from eerun.bundle import Bundle, bundle_lock, open_bundle

__all__ = ["SourceModel", "load_source", "model_path"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceModel:
    """What is refreshed.

    Attributes:
        path: of the checkpoint.
        sha256: its digest, which is the bundle's `source_sha256`.
        checkpoint: its content.
        module: trunk and heads in torch.
        exits: indices, among the heads of the attachment, of those that are exits of the bundle, shallow to deep.
    """

    path: Path
    sha256: str
    checkpoint: Checkpoint
    module: Attached
    exits: tuple[int, ...]


def model_path(bundle: Bundle, given: Path | None) -> Path:
    """Where the checkpoint is: as given, or beside the bundle under the name that the build took it from."""
    return given if given is not None else bundle.path.absolute().parent / bundle.manifest.source


def load_source(bundle: Bundle, model: Path | None, factory: str | None, stages: Stages) -> SourceModel:
    """Load the checkpoint of a bundle; where an earlier refresh was killed before it put its checkpoint there, do that.

    Args:
        bundle: an opened bundle.
        model: the checkpoint; None: beside the bundle.
        factory: what makes the trunk, for a checkpoint without `arch`.
        stages: where it is said what was put in place.

    Raises:
        UserError: the bundle is folded, there is no such file, or it has no attached heads that are exits of the
            bundle.
        BundleError: it is not the one that the bundle was built from.
        IngestError: it cannot be loaded.
    """
    path, manifest = model_path(bundle, model), bundle.manifest
    refuse_folded(manifest.images_a_row, where=str(bundle.path), why="heads are refreshed image by image")
    with bundle_lock(bundle.path):
        if finish_pending(path, open_bundle(bundle.path)):
            stages.warn(f"{path}: an earlier refresh ended before it was there: now it is, as the bundle needs it")
    if not path.is_file():
        hint = "" if model is not None else ", where the bundle says that it was built from it"
        raise UserError(str(path), f"no such file{hint}", "Give the checkpoint of the bundle with --model")
    sha256 = source_hash([path])
    if sha256 != manifest.source_sha256:
        raise BundleError(
            str(path),
            f"got a model with sha256 {sha256[:12]}…, {bundle.path.name} belongs to {manifest.source} with sha256 "
            f"{manifest.source_sha256[:12]}…",
            f"{_waits(path, bundle.path)}Give that one with --model, or build the bundle again from this one",
        )
    _refuse_others(path)
    checkpoint = load_checkpoint(path)
    module = build_module(checkpoint, factory) if checkpoint.attached is not None else None
    if not isinstance(module, Attached):
        raise UserError(str(path), *_NO_HEADS)
    exits = tuple(index for index, head in enumerate(module.attachment.heads) if head.name in manifest.exits)
    if not exits:
        problem = f"none of its heads is one of the exits {', '.join(manifest.exits)}"
        raise UserError(str(path), problem, "Build the bundle with some of its heads as exits")
    return SourceModel(path=path, sha256=sha256, checkpoint=checkpoint, module=module, exits=exits)


_NO_HEADS = (
    "has no attached heads, expected some: they are what a refresh trains",
    "Attach heads with eecompile attach, and build the checkpoint that it writes",
)


def _waits(path: Path, bundle: Path) -> str:
    """Say where the right checkpoint is, if a refresh that was killed has left it beside another file."""
    waiting = pending_path(path, bundle)
    return f"A refresh that was killed has left that one as {waiting.name}: rename it. " if waiting.is_file() else ""


def _refuse_others(path: Path) -> None:
    if path.suffix.lower() == ".onnx":
        raise UserError(str(path), *_NO_HEADS)
