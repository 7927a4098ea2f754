"""Does the drop that thresholds were tuned to hold on other samples? Twenty random splits of one recorded test set.

    python benchmarks/tuning_transfer.py resnet56_3

Every policy's scores are recorded once on all test images. Then, for each seed, thresholds are tuned on 40 % of them
and replayed on another 40 %, as `eecompile build` does: with the correction for what the search overfits, without it,
and with PAME's published greedy rule. Times come from the bundle's cost table: nothing is measured here but scores.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.early_exit import RESULTS  # noqa: E402
from benchmarks.networks import NETWORKS, Network, available  # noqa: E402
from benchmarks.shown_stages import ShownStages  # noqa: E402
from eecalib.exit_table import ExitTable  # noqa: E402
from eecalib.expected_cost import expected_batch_ms  # noqa: E402
from eecalib.record import record_exits  # noqa: E402
from eecalib.replay import replay  # noqa: E402
from eecalib.thresholds import optimism, tune_thresholds  # noqa: E402
from eecompile.build import BuildSettings, build  # noqa: E402
from eengines.backends import load_backend  # noqa: E402
from eengines.threads import default_threads  # noqa: E402
from eerun.bench.environment import environment  # noqa: E402
from eerun.bundle import open_bundle  # noqa: E402
from eerun.choose_configuration import choose_configuration  # noqa: E402
from eerun.costs import CostTable  # noqa: E402
from eerun.data import load_data  # noqa: E402
from eerun.executor import ChainExecutor, load_chain  # noqa: E402

POLICIES = ("max-probability", "margin", "entropy")
SEEDS = 20
MAX_DROP = 0.01
FOLDS = 5


def record(network: Network, policy: str, folder: Path) -> tuple[ExitTable, CostTable]:
    """Build a bundle and record its exits on every test image."""
    data = network.data(folder).name
    target = Path(f"{policy}.ee")
    settings = BuildSettings(output=target, data=data, factory=network.factory, policy=policy, measure_seconds=6.0)
    build(network.model, settings, ShownStages())
    bundle = open_bundle(target)
    way = choose_configuration(bundle)
    costs = way.costs()
    executor = ChainExecutor(load_chain(way.chain(), load_backend(way.engine), threads=default_threads()), costs)
    samples = load_data(data, input_names=[entry.name for entry in bundle.manifest.inputs]).splits["test"]
    return record_exits(executor, samples, lambda _share: None), costs


def transfer(table: ExitTable, costs: CostTable, variant: str, seed: int) -> dict[str, float]:
    """Tune on 40 % of a table, replay on another 40 %."""
    order = np.random.default_rng(seed).permutation(table.samples)
    cut = int(0.4 * table.samples)
    tune, test = table.rows(order[:cut]), table.rows(order[-cut:])
    common: dict[str, Any] = {"batch": costs.max_batch, "agreement": False}
    allowed = MAX_DROP
    if variant == "corrected":
        allowed -= max(0.0, optimism(tune, costs, max_drop=MAX_DROP, folds=FOLDS, seed=seed, **common))
    found = tune_thresholds(tune, costs, max_drop=allowed, tuner="pame" if variant == "pame" else "beam", **common)
    result = replay(test, found.thresholds)
    assert result.accuracy is not None
    assert result.accuracy_final is not None
    ms = expected_batch_ms(costs, batch=costs.max_batch, reached=result.reached)
    return {
        "drop": 1 - result.accuracy / result.accuracy_final,
        "drop_points": 100 * (result.accuracy_final - result.accuracy),
        "speedup": costs.whole_ms[-1] / ms,
    }


def summarise(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means, standard deviations, and how often the drop held."""
    drops = np.array([row["drop"] for row in rows])
    speedups = np.array([row["speedup"] for row in rows])
    return {
        "mean_drop": float(drops.mean()),
        "std_drop": float(drops.std(ddof=1)),
        "share_within_1_percent": float((drops <= MAX_DROP).mean()),
        "share_within_1_point": float(np.mean([row["drop_points"] <= 1 for row in rows])),
        "mean_expected_speedup": float(speedups.mean()),
        "std_expected_speedup": float(speedups.std(ddof=1)),
    }


def main() -> None:
    """Record and replay what the command line asks for."""
    at_hand = available()
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("network", choices=at_hand)
    network = NETWORKS[parser.parse_args().network]
    results: dict[str, Any] = {"environment": environment(), "seeds": SEEDS, "max_drop": MAX_DROP}
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        for policy in POLICIES:
            table, costs = record(network, policy, Path(name))
            for variant in ("corrected", "uncorrected", "pame"):
                rows = [transfer(table, costs, variant, seed) for seed in range(SEEDS)]
                results[f"{policy}/{variant}"] = summary = summarise(rows)
                print(f"{policy:16} {variant:12}", {key: round(value, 4) for key, value in summary.items()})
        os.chdir(home)
    file = RESULTS / f"tuning_transfer-{network.name}.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


if __name__ == "__main__":
    main()
