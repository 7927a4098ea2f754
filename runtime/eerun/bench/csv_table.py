"""A bench result in the columns of FoldedCNN's inference benchmark, so that the figures can be put side by side."""

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import PurePath
from typing import NamedTuple

from eerun.bench.result import BenchResult, Trial

__all__ = ["COLUMNS", "csv_table"]

COLUMNS = ("Model", "Trial", "Fold", "Batch Size", "Mode", "Throughput", "FLOPs/sec")
FLOPS_PER_MAC = 2


def csv_table(result: BenchResult) -> str:
    """Return a header and, for each trial, a row for the chain and one for each whole network of the run.

    Modes are `early-exit`, `whole` for the fastest whole network, and `whole-ENGINE-PRECISION` for the others. Fold is
    the number of images a row; where a folded bundle raced against the same network unfolded, that has rows with 1.

    Throughput is in samples (images) a second. FLOPs/sec counts the multiply-accumulates that were needed, twice each:
    for the chain those of the segments that each sample ran through.
    """
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    model, batch = PurePath(result.subject.model).stem, result.subject.batch
    for number, trial in enumerate(result.trials, start=1):
        for run in _runs(result, trial):
            throughput = trial.samples / run.seconds
            flops = throughput * FLOPS_PER_MAC * run.macs
            table.writerow((model, number, run.fold, batch, run.mode, f"{throughput:.2f}", f"{flops:.6g}"))
    return text.getvalue()


class _Run(NamedTuple):
    """One row of a trial; `macs` are a sample's."""

    mode: str
    fold: int
    seconds: float
    macs: float


def _runs(result: BenchResult, trial: Trial) -> Iterator[_Run]:
    """The chain, the whole networks, and the unfolded chain of one trial."""
    fold, whole_macs = result.subject.fold, result.subject.whole_macs
    unfolded = None if result.folding is None else result.folding.unfolded
    yield _Run("early-exit", fold, trial.chain_s, trial.chain_macs_per_sample)
    if unfolded is not None and trial.unfolded_s is not None:
        yield _Run("early-exit", 1, trial.unfolded_s, unfolded.chain_macs_per_sample)
    for name, seconds in trial.baselines_s.items():
        baseline = result.baselines[name]
        mode = "whole" if name == result.fastest else f"whole-{baseline.engine}-{baseline.precision}"
        if baseline.unfolded and unfolded is not None:
            yield _Run(mode, 1, seconds, unfolded.whole_macs)
        else:
            yield _Run(mode, fold, seconds, whole_macs / fold)
