"""Load what is composed: the network with all of its heads, and the samples."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import Attachment
from eecompile.attach.change_heads import attachment_of
from eecompile.checkpoint import Checkpoint, build_module, load_checkpoint
from eecompile.compose.settings import ComposeSettings
from eecompile.fold.refuse_folded import refuse_folded
from eecompile.input_info import sequences_of
from eengines.errors import DataError, UserError
from eerun.bundle import InputEntry
from eerun.data import Samples, check_labels, default_data_path, load_data, make_splits
from eerun.inputs import check_inputs

__all__ = ["Subject", "load_subject"]

SPLITS = ("tune", "test")

LEAST_SAMPLES = 50
"""Fewer say nothing about shares and drops of a per cent."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is composed.

    Attributes:
        path: of the checkpoint.
        checkpoint: as it is in the file.
        module: the same network; its `attachment` has all heads as exits, tap by tap.
        inputs: raw inputs.
        splits: *tune* and *test*, raw.
        agreement: whether the final exit's answers are the right ones.
    """

    path: Path
    checkpoint: Checkpoint
    module: Attached
    inputs: tuple[InputEntry, ...]
    splits: Mapping[str, Samples]
    agreement: bool

    @property
    def attachment(self) -> Attachment:
        """With all heads as exits."""
        return self.module.attachment

    @property
    def taps(self) -> tuple[str, ...]:
        """Names of the taps that have heads, shallow to deep."""
        return tuple(dict.fromkeys(head.tap for head in self.attachment.heads))

    @property
    def head_taps(self) -> tuple[int, ...]:
        """For each head the number of its tap among those."""
        return tuple(self.taps.index(head.tap) for head in self.attachment.heads)


def load_subject(path: Path, settings: ComposeSettings) -> Subject:
    """Load a checkpoint and its data.

    Raises:
        UserError: the network is folded, or there are no attached heads, or no data, or the network is one whose heads
            cannot be composed.
        IngestError: the checkpoint cannot be loaded.
        DataError: the data do not fit.
    """
    checkpoint = load_checkpoint(path)
    refuse_folded(checkpoint.fold, where=str(path), why="heads are composed image by image")
    attachment = attachment_of(checkpoint)
    if not attachment.heads:
        raise UserError(str(path), "has no heads, expected some to choose from", "Attach heads with eecompile attach")
    _refuse_others(path, checkpoint, attachment)
    everything = replace(attachment, chosen=tuple(head.name for head in attachment.heads))
    module = build_module(replace(checkpoint, attached=everything, exits=everything.exits), settings.factory)
    assert isinstance(module, Attached)  # noqa: S101 - it has an attachment
    inputs = tuple(
        InputEntry(name=i.name, dtype=i.dtype, shape=tuple(i.shape), range=i.range) for i in checkpoint.inputs
    )
    splits = _load_splits(path, settings, inputs, attachment.output)
    return Subject(
        path=path,
        checkpoint=checkpoint,
        module=module,
        inputs=inputs,
        splits=splits,
        agreement=settings.agreement or any(samples.labels is None for samples in splits.values()),
    )


def _refuse_others(path: Path, checkpoint: Checkpoint, attachment: Attachment) -> None:
    """Refuse answers and inputs that recording and measuring are not made for."""
    for refused, problem in (
        (len(attachment.output) > 1, "the network answers every pixel, expected one answer a sample"),
        (sequences_of(checkpoint.inputs), "the network has a dynamic sequence length, expected inputs of a fixed size"),
    ):
        if refused:
            raise UserError(str(path), problem, "Choose heads with eecompile heads --choose")


def _load_splits(
    path: Path, settings: ComposeSettings, inputs: tuple[InputEntry, ...], output: tuple[int, ...]
) -> dict[str, Samples]:
    """Load *tune* and *test*, cut as a build cuts them."""
    source = settings.data or default_data_path(path)
    if source is None:
        problem = f"no data to choose heads by: --data is not given and there is no {path.with_suffix('.npz').name}"
        raise DataError(str(path), problem, "Give --data")
    made = make_splits(load_data(source, input_names=[entry.name for entry in inputs]), seed=settings.seed)
    splits = {name: made[name] for name in SPLITS}
    for name, samples in splits.items():
        check_inputs(samples.inputs, inputs)
        check_labels(samples.labels, output, source=f"split {name!r}")
    if len(splits["tune"]) < LEAST_SAMPLES:
        problem = f"got {len(splits['tune'])} samples to choose heads by (tune), expected at least {LEAST_SAMPLES}"
        raise DataError(str(source), problem, "Give more samples")
    return splits
