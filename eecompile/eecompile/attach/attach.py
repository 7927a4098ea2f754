"""From a trained network to a multi-exit one: tap it, attach heads, train them, choose exits, write a checkpoint."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import AttachedHead, Attachment
from eecompile.attach.backbone import ZOO, Backbone, load_backbone
from eecompile.attach.change_heads import prune
from eecompile.attach.choose_heads import choose_heads
from eecompile.attach.find_taps import find_taps
from eecompile.attach.place_heads import Placed, place_heads
from eecompile.attach.report import AttachReport
from eecompile.attach.settings import AttachSettings
from eecompile.attach.training_data import training_data
from eecompile.attach.watch import Watched, watch
from eecompile.checkpoint import Checkpoint, save_checkpoint
from eecompile.heads import parse_heads
from eecompile.heads.base import HeadKind
from eecompile.ingest.export_module import run_example
from eecompile.ingest.network import check_logits, example_inputs
from eecompile.stages import Stages
from eecompile.train.report import TrainReport
from eecompile.train.train_heads import train_heads
from eengines.errors import UserError
from eerun.cli.output_file import check_writable
from eerun.data import default_data_path

__all__ = ["attach", "watch_backbone"]


def attach(name: str, settings: AttachSettings, stages: Stages) -> AttachReport:
    """Attach heads to a network, train them, and write a checkpoint that `eecompile build` takes.

    In frozen mode the trunk's weights in that checkpoint are those of the backbone, bit for bit. While it trains, the
    state of the training is beside the checkpoint, for `settings.resume`; it is removed when the training has ended by
    itself.

    Args:
        name: the backbone, see `load_backbone`.
        settings: what the user chose; `output` and `heads` are needed.
        stages: where progress is shown.

    Raises:
        UserError: settings that are missing, or do not fit the network or the data.
        IngestError: the network cannot be loaded or run.
        DataError: there are no samples to train on.
    """
    output, heads = _needed(name, settings)
    kinds = parse_heads(heads)
    check_writable(output, flag="--output")
    backbone, placed = _prepared(name, settings, kinds, stages)
    with stages.stage("load the training samples"):
        samples = training_data(name, settings, backbone.inputs)
    state = output.with_name(f"{output.name}.training")
    attached = placed.attached
    report = train_heads(
        attached, backbone.inputs, samples, settings.train, stages, state=state, resume=settings.resume
    )
    attached.attachment = _with_exits(attached.attachment, report, settings.head_tolerance, stages)
    checkpoint = _checkpoint(backbone, attached, report)
    if settings.prune:
        checkpoint = prune(checkpoint)
    save_checkpoint(output, checkpoint)
    if report.interrupted:
        stages.warn(f"interrupted after {report.epochs} epochs: the best weights so far are written; --resume goes on")
    else:
        state.unlink(missing_ok=True)
    return AttachReport(
        backbone=name,
        output=str(output),
        attachment=attached.attachment if checkpoint.attached is None else checkpoint.attached,
        refused=placed.refused,
        trunk_parameters=sum(weight.numel() for weight in attached.trunk.parameters()),
        train=report,
        next_command=_next_command(name, output, backbone, settings),
    )


def _prepared(
    name: str, settings: AttachSettings, kinds: Sequence[HeadKind], stages: Stages
) -> tuple[Backbone, Placed]:
    """The network with fresh heads."""
    with stages.stage("load the network, find taps"):
        backbone = load_backbone(name, settings)
        if backbone.fresh and settings.train.mode != "joint":
            problem = f"has fresh weights, which --mode {settings.train.mode} would keep"
            raise UserError(name, problem, "Give trained weights with --weights, or train all of it with --mode joint")
        if backbone.note is not None:
            stages.warn(backbone.note)
        watched = watch_backbone(backbone, where=name)
        found = find_taps(watched, settings.at, settings.own_head, where=name)
        placed = place_heads(watched, found, kinds, named=settings.at is not None, seed=settings.train.seed)
    _explain(placed, stages)
    return backbone, placed


def watch_backbone(backbone: Backbone, *, where: str) -> Watched:
    """Run a backbone once on an example; a sequence is as long as it may be.

    Raises:
        IngestError: it does not run, or does not return logits.
    """
    longest = [replace(info, sequence=None) for info in backbone.inputs]
    arguments = example_inputs(longest, [info.network_dtype for info in longest])
    check_logits(run_example(backbone.trunk, arguments, where=where), where=where)
    return watch(backbone.trunk, arguments)


def _needed(name: str, settings: AttachSettings) -> tuple[Path, str]:
    if settings.output is None:
        raise UserError("--output", "got none, expected the name of the checkpoint to write", "Add -o model.pt")
    if settings.heads is None:
        raise UserError("--heads", "got none, expected kinds of heads", "Add for example --heads linear,conv")
    read = {
        "the backbone": None if name.startswith(ZOO) else name,
        "--weights": settings.weights,
        "--data": settings.data,
    }
    for what, path in read.items():
        if path is not None and settings.output.resolve() == Path(path).resolve():
            raise UserError("--output", f"is {what} {path} itself, expected another file", "Give another name")
    return settings.output, settings.heads


def _explain(placed: Placed, stages: Stages) -> None:
    attachment = placed.attached.attachment
    taps = len({head.tap for head in attachment.heads})
    stages.detail(f"{len(attachment.heads)} heads on {taps} taps; own head of the trunk: {attachment.own_head}")
    for refused in placed.refused:
        stages.detail(f"no {refused.kind} at {refused.tap}: {refused.reason}")


def _with_exits(attachment: Attachment, report: TrainReport, tolerance: float, stages: Stages) -> Attachment:
    """The attachment with what training measured, and the exits."""
    measured: list[AttachedHead] = []
    for head, trained in zip(attachment.heads, report.heads, strict=True):
        measured.append(replace(head, agreement=trained.agreement, accuracy=trained.accuracy))
        if trained.problem is not None:
            stages.warn(f"head {head.name}: {trained.problem}")
    chosen = choose_heads(measured, attachment.taps, tolerance=tolerance, trunk_macs=attachment.macs)
    exits = {head.tap for head in measured if head.name in chosen}
    for tap in dict.fromkeys(head.tap for head in measured if head.tap not in exits):
        stages.warn(f"no exit at {tap}: with any of its heads it costs as much as the whole trunk")
    return replace(attachment, heads=tuple(measured), chosen=chosen)


def _checkpoint(backbone: Backbone, attached: Attached, report: TrainReport) -> Checkpoint:
    dense = len(attached.attachment.output) == 3
    return Checkpoint(
        arch=backbone.arch,
        arch_kwargs=backbone.arch_kwargs,
        state_dict=attached.state_dict(),
        exits=attached.attachment.exits,
        inputs=backbone.inputs,
        task=backbone.task or ("segmentation" if dense else "classification"),
        classes=backbone.classes,
        meta={"attach": {"epochs": report.epochs, "samples": report.samples, "accuracy_final": report.accuracy_final}},
        attached=attached.attachment,
    )


def _next_command(name: str, output: Path, backbone: Backbone, settings: AttachSettings) -> str:
    words = ["eecompile", "build", str(output)]
    if backbone.arch is None:
        words += ["--factory", settings.factory or f"MODULE:FUNCTION that makes the {type(backbone.trunk).__name__}"]
    beside = default_data_path(output)
    data = Path(settings.data or Path(name).with_suffix(".npz"))
    if beside is None or not data.exists() or not beside.samefile(data):
        words += ["--data", str(data)]
    if settings.train.seed != 0:
        words += ["--seed", str(settings.train.seed)]
    return shlex.join(words)
