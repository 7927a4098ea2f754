"""Build and bench real networks, and write what was measured to `benchmarks/results/`.

    python benchmarks/early_exit.py                   # every network that is at hand
    python benchmarks/early_exit.py digits --policy margin

For each network and policy: speed-up over the whole network without exit heads (batch 32, batch 1), overhead over the
sum of the segments, accuracy on data that tuning never saw, cost of cutting with exits off, eager PyTorch early exit
one sample at a time, and the time of `import eerun`. Contestants take turns in one run; see `eerun bench --help`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.chain_overhead import chain_overhead  # noqa: E402
from benchmarks.networks import NETWORKS, Network, available  # noqa: E402
from eecompile.build import BuildReport, BuildSettings, build  # noqa: E402
from eecompile.build.prepare import prepare  # noqa: E402
from eerun.bench import (  # noqa: E402
    BenchResult,
    BenchSettings,
    Scenario,
    run_bench,
    text_report,
)
from eerun.bundle import open_bundle  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
SEED = 0


class QuietStages:
    """Shows no stages."""

    def stage(self, title: str) -> Any:
        """Name the stage."""
        print(f"  {title} ...", file=sys.stderr)
        return nullcontext()

    def progress(self, share: float) -> None:
        """Show nothing."""

    def detail(self, text: str) -> None:
        """Show nothing."""

    def warn(self, text: str) -> None:
        """Pass the warning on."""
        print(f"  ! {text}", file=sys.stderr)


def measure(network: Network, policy: str, seconds: float, buckets: tuple[int, ...] | None) -> dict[str, Any]:
    """Build and bench one network in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name), Path.cwd()
        data = network.data(folder)
        os.chdir(folder)  # results then name files, not folders
        try:
            settings = BuildSettings(
                output=Path(f"{network.name}.ee"),
                data=data.name,
                factory=network.factory,
                policy=policy,
                buckets=buckets,
                measure_seconds=10.0,
            )
            return _measure_bundle(network, settings, seconds)
        finally:
            os.chdir(home)


def _measure_bundle(network: Network, settings: BuildSettings, seconds: float) -> dict[str, Any]:
    report = build(network.model, settings, QuietStages())
    assert settings.output is not None
    bundle = open_bundle(settings.output)
    prepared = prepare(network.model, settings, QuietStages())
    overhead = {
        f"batch_{batch}": chain_overhead(bundle, prepared, batch=batch, seconds=seconds / 2, seed=SEED)
        for batch in (32, 1)
    }
    offline = _bench(network, settings, Scenario.OFFLINE, seconds, against="torch")
    single = _bench(network, settings, Scenario.SINGLESTREAM, seconds / 2, against=None)
    print(text_report(offline))
    print(text_report(single))
    for name, ratio in overhead.items():
        print(f"{name}: chain with exits off / whole graph with heads = {ratio.median.value:.3f}")
    return _record(report, offline, single, overhead)


def _bench(
    network: Network, settings: BuildSettings, scenario: Scenario, seconds: float, against: str | None
) -> BenchResult:
    return run_bench(
        BenchSettings(
            bundle=settings.output,
            data=settings.data,
            scenario=scenario,
            duration_s=seconds,
            against=against,
            model=network.model if against else None,
            factory=network.factory if against else None,
        ),
        lambda _share: None,
    )


def _record(report: BuildReport, offline: BenchResult, single: BenchResult, overhead: dict[str, Any]) -> dict[str, Any]:
    return {
        "build": report,
        "chain_off_over_whole_with_heads": overhead,
        "offline_batch_32": offline,
        "singlestream": single,
    }


def import_seconds(runs: int) -> list[float]:
    """Seconds of `import eerun` in fresh processes, ascending."""
    program = "import time; t = time.perf_counter(); import eerun; print(time.perf_counter() - t)"
    times = [float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(runs)]
    return sorted(times)


def _plain(value: Any) -> str:
    if isinstance(value, Path):
        return value.name
    raise TypeError(f"no JSON form of {type(value).__name__}")


def main() -> None:
    """Measure what the command line asks for."""
    at_hand = available()
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("networks", nargs="*", help=f"of {', '.join(at_hand)}; default: all")
    parser.add_argument("--policy", action="append", help="exit policy; may be given several times")
    parser.add_argument("--seconds", type=float, default=40.0, help="seconds of each bench run (default 40)")
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
            result = measure(NETWORKS[name], policy, args.seconds, buckets)
            result["import_eerun_seconds"] = import_seconds(10)
            variant = f"-{len(buckets)}-buckets" if buckets else ""
            file = RESULTS / f"early_exit-{name}-{policy}{variant}.json"
            file.write_bytes(msgspec.json.format(msgspec.json.encode(result, enc_hook=_plain), indent=2) + b"\n")
            print(f"wrote {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
