"""Build and bench real networks, and write what was measured to `benchmarks/results/`.

    python benchmarks/early_exit.py                   # every network that is at hand
    python benchmarks/early_exit.py digits --policy margin

For each network and policy: speed-up over the fastest whole network without exit heads (batch 32, batch 1), overhead
over the sum of the segments, accuracy on data that tuning never saw, cost of cutting with exits off in every engine and
precision, eager PyTorch early exit one sample at a time, and the time of `import eerun`. Contestants take turns in one
run; see `eerun bench --help`. `--engine` and `--precision` choose what the chain runs in, not who its rival is.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.chain_overhead import chain_overheads  # noqa: E402
from benchmarks.networks import NETWORKS, Network, available  # noqa: E402
from benchmarks.shown_stages import ShownStages  # noqa: E402
from eecompile.build import BuildReport, BuildSettings, build  # noqa: E402
from eerun.bench import (  # noqa: E402
    BenchResult,
    BenchSettings,
    Scenario,
    json_report,
    run_bench,
    text_report,
)
from eerun.bundle import open_bundle  # noqa: E402
from eerun.data import load_data, make_splits  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the command line asks for.

    Attributes:
        policy: exit policy.
        seconds: of each bench run.
        buckets: batch sizes to prepare, or None.
        engine: of the chain.
        precision: of the chain.
    """

    policy: str
    seconds: float
    buckets: tuple[int, ...] | None
    engine: str
    precision: str


def measure(network: Network, choice: Choice) -> dict[str, Any]:
    """Build and bench one network in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = BuildSettings(
            output=folder / f"{network.name}.ee",
            data=str(network.data(folder)),
            factory=network.factory,
            policy=choice.policy,
            buckets=choice.buckets,
            measure_seconds=10.0,
        )
        return _measure_bundle(network, settings, choice)


def _measure_bundle(network: Network, settings: BuildSettings, choice: Choice) -> dict[str, Any]:
    report = build(network.model, settings, ShownStages())
    assert settings.output is not None
    assert settings.data is not None
    bundle = open_bundle(settings.output)
    names = [entry.name for entry in bundle.manifest.inputs]
    inputs = make_splits(load_data(settings.data, input_names=names), seed=bundle.manifest.split_seed)["tune"].inputs
    overhead = {
        f"batch_{batch}": chain_overheads(bundle, inputs, batch=batch, seconds=choice.seconds / 4, seed=SEED)
        for batch in (32, 1)
    }
    common = {"bundle": settings.output, "data": settings.data, "engine": choice.engine, "precision": choice.precision}
    offline = _bench(
        BenchSettings(
            **common, duration_s=choice.seconds, against="torch", model=network.model, factory=network.factory
        )
    )
    single = _bench(BenchSettings(**common, duration_s=choice.seconds / 2, scenario=Scenario.SINGLESTREAM))
    print(text_report(offline))
    print(text_report(single))
    for batch, ratios in overhead.items():
        for name, ratio in ratios.items():
            print(f"{batch}, {name}: chain with exits off / whole graph with heads = {ratio.median.value:.3f}")
    return _record(report, offline, single, overhead)


def _bench(settings: BenchSettings) -> BenchResult:
    return run_bench(settings, lambda _share: None)


def _record(report: BuildReport, offline: BenchResult, single: BenchResult, overhead: dict[str, Any]) -> dict[str, Any]:
    return {
        "build": report,
        "chain_off_over_whole_with_heads": overhead,
        "offline_batch_32": msgspec.Raw(json_report(offline)),
        "singlestream": msgspec.Raw(json_report(single)),
    }


def import_seconds(runs: int) -> list[float]:
    """Seconds of `import eerun` in fresh processes, ascending."""
    program = "import time; t = time.perf_counter(); import eerun; print(time.perf_counter() - t)"
    times = [float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(runs)]
    return sorted(times)


def main() -> None:
    """Measure what the command line asks for."""
    at_hand = available()
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("networks", nargs="*", help=f"of {', '.join(at_hand)}; default: all")
    parser.add_argument("--policy", action="append", help="exit policy; may be given several times")
    parser.add_argument("--seconds", type=float, default=40.0, help="seconds of each bench run (default 40)")
    parser.add_argument("--engine", default="auto", help="engine of the chain (default auto)")
    parser.add_argument("--precision", default="auto", help="precision of the chain (default auto)")
    parser.add_argument("--buckets", help="batch sizes to prepare, such as 1,2,4,8,12,16,24,32")
    args = parser.parse_args()
    unknown = sorted(set(args.networks) - set(at_hand))
    if unknown:
        parser.error(f"not at hand: {', '.join(unknown)}; there are {', '.join(at_hand)}")
    buckets = tuple(int(b) for b in args.buckets.split(",")) if args.buckets else None
    RESULTS.mkdir(exist_ok=True)
    for name in args.networks or at_hand:
        for policy in args.policy or ["max-probability"]:
            print(f"==== {name}, {policy} ====")
            result = measure(
                NETWORKS[name],
                Choice(
                    policy=policy,
                    seconds=args.seconds,
                    buckets=buckets,
                    engine=args.engine,
                    precision=args.precision,
                ),
            )
            result["import_eerun_seconds"] = import_seconds(10)
            chosen = [f"-{value}" for value in (args.engine, args.precision) if value != "auto"]
            variant = "".join([*chosen, f"-{len(buckets)}-buckets" if buckets else ""])
            file = RESULTS / f"early_exit-{name}-{policy}{variant}.json"
            file.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
            print(f"wrote {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
