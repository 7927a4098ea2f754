"""Does serving lose anything? Three figures of `eerun serve`, for any bundle.

    python benchmarks/serving.py model.ee --data model.npz
    python benchmarks/serving.py model.ee --data model.npz --figures goodput --repeats 5
    python benchmarks/serving.py model.ee --data model.npz --short

goodput: the greatest load at a p99 of 50 ms, chain against the whole network in the same server, 1 and 8 samples a
query, at the same loads in turns, beside the offline speed-up at batch 32 of the same run. overhead: CPU time of the
scheduler at saturation, with calls of 1 and 8 samples, and of HTTP and gRPC a request against a bare uvicorn echo.
refill: batches refilled between segments against not, at 90 % and 150 % of the load that the chain holds. All
contestants take turns in one run.
The whole network runs in the engine where it is the fastest, whichever `--engine` and `--precision` choose for the
chain. `--short` takes two repetitions with 8 s of load instead of three with 60 s; `wall_s` tells how long each took.
Writes `benchmarks/results/serving-<bundle>.json`; with some of the figures or a queue delay these are in its name.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figure_result import add_common_flags, write_figure  # noqa: E402
from benchmarks.serving_goodput import goodput_figure  # noqa: E402
from benchmarks.serving_overhead import scheduler_figure  # noqa: E402
from benchmarks.serving_refill import refill_figure  # noqa: E402
from benchmarks.serving_text import serving_lines  # noqa: E402
from benchmarks.serving_transport import transport_figure  # noqa: E402
from eerun.bench.server.run import run_load_test  # noqa: E402
from eerun.bench.server.settings import LoadSettings  # noqa: E402
from eerun.bench.split_to_bench import load_test_split  # noqa: E402
from eerun.bundle import open_bundle  # noqa: E402

BATCHES = (1, 8)
LOW_QPS = 50.0
SHARES = {"near_saturation": 0.9, "saturation": 1.5}
SHORT, LONG = (
    {"repeats": 2, "seconds": 8.0, "blocks": 4},
    {"repeats": 3, "seconds": 60.0, "blocks": 8},
)
FIGURES = ("goodput", "overhead", "refill")


def main() -> None:
    """Measure what the command line asks for."""
    args = _arguments()
    common = {
        "bundle": args.bundle,
        "data": args.data,
        "engine": args.engine,
        "precision": args.precision,
        "threads": args.threads,
    }
    figures: dict[str, Callable[[], dict[str, Any]]] = {
        "goodput": lambda: goodput_figure(
            common,
            batches=BATCHES,
            repeats=args.repeats,
            seconds=args.seconds,
            blocks=args.blocks,
            slo_ms=args.slo_ms,
            serve_flags=_delay(args),
        ),
        "overhead": lambda: _overhead(args),
        "refill": lambda: _refill(common, args, found.get("goodput")),
    }
    found = dict[str, dict[str, Any]]()
    for name in args.figures:
        began = time.perf_counter()
        measured = figures[name]()
        found[name] = {**measured, "wall_s": time.perf_counter() - began}
    for line in serving_lines(found):
        print(line)
    write_figure(_file_name(args), args.bundle.resolve().stem, found, args)


def _delay(args: argparse.Namespace) -> tuple[str, ...]:
    """Flags of both servers."""
    return ("--max-queue-delay-us", str(args.max_queue_delay_us)) if args.max_queue_delay_us else ()


def _file_name(args: argparse.Namespace) -> str:
    """First part of the name of the file with the result: with all figures, or with those that were asked for."""
    delay = [f"delay-{args.max_queue_delay_us}us"] if args.max_queue_delay_us else []
    return "-".join(["serving", *([] if tuple(args.figures) == FIGURES else args.figures), *delay])


def _overhead(args: argparse.Namespace) -> dict[str, Any]:
    bundle = open_bundle(args.bundle)
    inputs = dict(load_test_split(bundle, args.data).samples.inputs)
    seconds = args.seconds / 10
    flags = ["--engine", args.engine, "--precision", args.precision]
    flags += [] if args.threads is None else ["--threads", str(args.threads)]
    return {
        "scheduler": {
            str(batch): scheduler_figure(
                args.bundle,
                inputs,
                {"engine": args.engine, "precision": args.precision, "threads": args.threads},
                batch=batch,
                blocks=args.blocks,
                seconds=seconds,
            )
            for batch in BATCHES
        },
        "transport": transport_figure(args.bundle, inputs, flags, qps=LOW_QPS, blocks=args.blocks, seconds=seconds),
    }


def _refill(common: dict[str, Any], args: argparse.Namespace, goodput: dict[str, Any] | None) -> dict[str, Any]:
    """At shares of the load of single samples that the chain holds: that of `goodput`, else it is searched for."""
    settings = LoadSettings(
        **common, duration_s=args.seconds, slo_ms=args.slo_ms, blocks=args.blocks, serve_flags=_delay(args)
    )
    if goodput is None:
        held = run_load_test(settings, lambda _: None).servers["chain"].qps
    else:
        held = median(run["held_qps"]["chain"] for run in goodput["batches"]["1"]["repeats"])
    return {"held_qps": held, **refill_figure(settings, capacity_qps=held, shares=SHARES)}


def _arguments() -> argparse.Namespace:
    """What the command line says; a short run has other defaults."""
    parser = _parser()
    args = parser.parse_args()
    for name, value in (SHORT if args.short else LONG).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    args.figures = args.figures.split(",")
    unknown = [name for name in args.figures if name not in FIGURES]
    if unknown:
        parser.error(f"--figures: got {unknown[0]!r}, expected some of {', '.join(FIGURES)}")
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("bundle", type=Path, help="folder of the bundle")
    parser.add_argument("--data", help="as in eerun bench")
    parser.add_argument("--figures", default=",".join(FIGURES), help=f"of {', '.join(FIGURES)}")
    parser.add_argument("--short", action="store_true", help="two repetitions with 8 s of load")
    parser.add_argument("--repeats", type=int, help="searches of the greatest load (default 3)")
    parser.add_argument("--seconds", type=float, help="seconds of load of a server in a run (default 60)")
    parser.add_argument("--blocks", type=int, help="turns of each contestant (default 8)")
    parser.add_argument("--slo-ms", type=float, default=50.0, help="the promised latency in ms (default 50)")
    parser.add_argument("--max-queue-delay-us", type=int, default=0, help="of both servers in a race (default 0)")
    parser.add_argument("--engine", default="auto", help="engine of the chain (default auto)")
    parser.add_argument("--precision", default="auto", help="precision of the chain (default auto)")
    parser.add_argument("--threads", type=int, help="threads of every engine")
    add_common_flags(parser)
    return parser


if __name__ == "__main__":
    main()
