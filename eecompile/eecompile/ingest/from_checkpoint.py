"""The project's own checkpoint: weights from the file, code from the zoo or from the user."""

from pathlib import Path

from eecompile.checkpoint import build_module, load_checkpoint
from eecompile.ingest.graph_contract import check_task, finish_graph, pick_exits
from eecompile.ingest.ingested import Ingested
from eecompile.ingest.settings import INPUT_FIELDS, SEQUENCE_FIELD, IngestSettings
from eecompile.ingest.source_hash import source_hash
from eecompile.input_info import sequences_of
from eengines.errors import IngestError

__all__ = ["ingest_checkpoint"]


def ingest_checkpoint(path: Path, settings: IngestSettings) -> Ingested:
    """Load a checkpoint, make its module and export it.

    Raises:
        IngestError: see `ingest`.
    """
    where = str(path)
    checkpoint = load_checkpoint(path)
    settings.refuse((*INPUT_FIELDS, SEQUENCE_FIELD), where=where, why="a checkpoint describes its inputs itself")
    picked = pick_exits(checkpoint.exits, settings.exits, where=where)
    module = build_module(checkpoint, settings.factory)

    from eecompile.ingest.export_module import export_module, run_example
    from eecompile.ingest.network import check_logits, example_inputs, make_reference

    inputs = [info.name for info in checkpoint.inputs]
    fold = checkpoint.fold
    arguments = example_inputs(checkpoint.inputs, [info.network_dtype for info in checkpoint.inputs], fold=fold)
    logits = check_logits(run_example(module, arguments, where=where), where=where, fold=fold)
    if len(logits) != len(checkpoint.exits):
        problem = f"forward returns {len(logits)} tensors for the {len(checkpoint.exits)} exits of the checkpoint"
        raise IngestError(where, problem, "Let forward return the logits of every exit, shallow to deep")
    sequences = sequences_of(checkpoint.inputs)
    model = export_module(module, arguments, inputs=inputs, exits=checkpoint.exits, where=where, sequences=sequences)
    finish_graph(model, exits=picked, where=where, sequence=bool(sequences), fold=fold)
    _check_classes(checkpoint.classes, logits[-1].shape[1 if fold == 1 else 2], where=where)
    return Ingested(
        model=model,
        inputs=checkpoint.inputs,
        exits=picked,
        classes=checkpoint.classes,
        task=check_task(model, checkpoint.task, where=where),
        reference=make_reference(module, inputs, [checkpoint.exits.index(name) for name in picked]),
        source_sha256=source_hash([path]),
        fold=fold,
        fold_widths=checkpoint.fold_widths,
    )


def _check_classes(classes: tuple[str, ...] | None, width: int, *, where: str) -> None:
    if classes is not None and len(classes) != width:
        problem = f"names {len(classes)} classes, the exits have {width}"
        raise IngestError(where, problem, "Name one class for each logit, or null")
