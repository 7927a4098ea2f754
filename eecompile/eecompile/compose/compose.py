"""Compose a network, step by step: measure all heads, record them, search, write the checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from eecalib.composition import CandidateHeads, FirstLook, binding_limits, compose, fit_score, settle
from eecalib.composition.compose import SHARE_OF_DROP
from eecalib.trace import ExitTrace, play
from eecompile.attach.change_heads import choose, prune
from eecompile.checkpoint import save_checkpoint
from eecompile.compose.make_report import Found, make_report
from eecompile.compose.measure_heads import HeadTimes, measure_heads
from eecompile.compose.record_heads import record_heads
from eecompile.compose.report import ComposeReport
from eecompile.compose.rivals import rivals
from eecompile.compose.settings import ComposeSettings
from eecompile.compose.subject import Subject, load_subject
from eecompile.stages import Stages
from eerun.cli.output_file import check_writable

__all__ = ["compose_heads"]

WEIGHT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def compose_heads(path: Path, settings: ComposeSettings, stages: Stages) -> ComposeReport:
    """Choose at most one head for each tap by measured time, and write a checkpoint with these as exits.

    The other heads stay as candidates unless `settings.prune`. Where no exit pays nothing is written.

    Args:
        path: a checkpoint with attached heads.
        settings: what the user chose.
        stages: where progress is shown.

    Raises:
        UserError: there are no heads to choose from, or the network is one whose heads cannot be composed.
        DataError: there are no data, or they do not fit.
        IngestError: the checkpoint cannot be loaded or exported.
        SplitError: the network cannot be cut behind its taps.
        EngineError: there is no engine to measure in, or it fails.
    """
    started = perf_counter()
    if settings.output is not None:
        check_writable(settings.output, flag="--output")
    with stages.stage("load the network and its data"):
        subject = load_subject(path, settings)
    times = measure_heads(subject, settings, stages)
    with stages.stage("record all heads"):
        logits = {
            name: record_heads(subject.module, subject.checkpoint.inputs, samples, stages.progress)
            for name, samples in subject.splits.items()
        }
    with stages.stage("search compositions"):
        found = _search(subject, times, logits, settings, stages)
    report = make_report(subject, found, settings, perf_counter() - started)
    if report.output is not None:
        _write(subject, found, Path(report.output), settings)
    return report


def _search(
    subject: Subject,
    times: HeadTimes,
    logits: Mapping[str, NDArray[np.float32]],
    settings: ComposeSettings,
    stages: Stages,
) -> Found:
    """Find the composition, and settle others for the same drop."""
    started = perf_counter()
    tune, test = (_candidates(subject, times, logits[name], name, settings) for name in ("tune", "test"))
    policy = fit_score(settings.policy, tune.trace, seed=settings.seed)
    table = play(policy, tune.trace).table
    look = FirstLook(tune, table)
    also = rivals(subject.attachment, subject.checkpoint.exits)
    limits = settings.limits
    chosen = compose(tune, look, (policy, table), limits, also=tuple(also.values()), progress=stages.progress)
    required = tune.data(()).required(SHARE_OF_DROP * limits.max_drop)
    return Found(
        tune=tune,
        test=test,
        table=table,
        chosen=chosen,
        others={
            name: settle(tune, settings.policy, kept, chosen.asked_drop, limits.min_precision)
            for name, kept in also.items()
        },
        limited_by=binding_limits(look, limits, required=required),
        exact=look.exact,
        seconds=perf_counter() - started,
    )


def _candidates(
    subject: Subject, times: HeadTimes, logits: NDArray[np.float32], split: str, settings: ComposeSettings
) -> CandidateHeads:
    """The heads on one split."""
    final = logits[:, -1].argmax(axis=1).astype(np.int64)
    labels = subject.splits[split].labels
    right = final if subject.agreement or labels is None else labels.astype(np.int64)
    size = WEIGHT_BYTES[settings.precision]
    return CandidateHeads(
        taps=subject.head_taps,
        trace=ExitTrace(logits=logits, labels=right),
        reference_right=(final == right).astype(np.int64),
        trunk=times.trunk,
        head_ms=times.head_ms,
        head_bytes=tuple(size * head.parameters for head in subject.attachment.heads),
        batch=settings.batch,
        seed=settings.seed,
    )


def _write(subject: Subject, found: Found, output: Path, settings: ComposeSettings) -> None:
    """Write the checkpoint with other exits."""
    picks: dict[str, str | None] = dict.fromkeys(subject.taps)
    for index in found.chosen.kept:
        head = subject.attachment.heads[index]
        picks[head.tap] = head.label
    checkpoint = choose(subject.checkpoint, picks)
    save_checkpoint(output, prune(checkpoint) if settings.prune else checkpoint)
