"""A bench result in the columns of FoldedCNN's inference benchmark, so that the figures can be put side by side."""

import csv
from io import StringIO
from pathlib import PurePath

from eerun.bench.result import BenchResult

__all__ = ["COLUMNS", "csv_table"]

COLUMNS = ("Model", "Trial", "Fold", "Batch Size", "Mode", "Throughput", "FLOPs/sec")
FOLD = 1
FLOPS_PER_MAC = 2


def csv_table(result: BenchResult) -> str:
    """Return a header and, for each trial, a row for the chain and one for each whole network of the run.

    Modes are `early-exit`, `whole` for the fastest whole network, and `whole-ENGINE-PRECISION` for the others.

    Throughput is in samples a second. FLOPs/sec counts the multiply-accumulates that were needed, twice each: for the
    chain those of the segments that each sample ran through.
    """
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    model, batch = PurePath(result.subject.model).stem, result.subject.batch
    for number, trial in enumerate(result.trials, start=1):
        runs = [("early-exit", trial.chain_s, trial.chain_macs_per_sample)]
        runs += [
            ("whole" if name == result.fastest else f"whole-{name}", seconds, result.subject.whole_macs)
            for name, seconds in trial.baselines_s.items()
        ]
        for mode, seconds, macs in runs:
            throughput = trial.samples / seconds
            flops = throughput * FLOPS_PER_MAC * macs
            table.writerow((model, number, FOLD, batch, mode, f"{throughput:.2f}", f"{flops:.6g}"))
    return text.getvalue()
