"""Does a server hold out? Minutes at 90 % of its capacity, every answer compared with `Model.infer`.

    python benchmarks/soak.py model.ee --data model.npz
    python benchmarks/soak.py model.ee --data model.npz --qps 300 --minutes 60

`eerun serve` runs as a process of its own, the load generator (Poisson arrivals, MLPerf LoadGen's scenario Server) as
another. The capacity is the greatest rate of answers when more queries come than can be answered. The first minute
warms up and does not count for memory and latency; its answers are compared like all others.
PASSED: every query is answered with 200; every label and exit is what `infer` gives in a batch of one of the sizes that
the engines are prepared for, and logits are as near to that as these are to each other, once a segment; memory is flat
(a straight line through it rises by at most 2 %); the median p99 of the second half of the minutes is at most 1.5 times
that of the first. Ends with 1 if not. Writes `benchmarks/results/soak-<bundle>.json`.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figure_result import add_common_flags, sizes, write_figure  # noqa: E402
from benchmarks.infer_answers import answers_in_every_batch  # noqa: E402
from benchmarks.memory_watch import MemoryWatch, growth_over  # noqa: E402
from benchmarks.soak_answers import OUTPUTS, Compared, Reference, compare, reference  # noqa: E402
from eerun.bench.server.eerun_server import EerunServer  # noqa: E402
from eerun.bench.server.load_generator import LoadGenerator  # noqa: E402
from eerun.bench.server.queries import Queries, make_queries  # noqa: E402
from eerun.bench.server.recorded import Recorded  # noqa: E402
from eerun.bench.server.schedule import make_schedule  # noqa: E402
from eerun.bench.server.served_model import served_model  # noqa: E402
from eerun.bench.split_to_bench import load_test_split  # noqa: E402
from eerun.bundle import open_bundle  # noqa: E402

LOAD_SHARE, MEMORY_SHARE, P99_RATIO = 0.9, 0.02, 1.5
SAMPLES, CONNECTIONS, PATIENCE_S = 512, 256, 30.0
FIRST_QPS, GROWTH, BEHIND, ABOVE, SATURATED = 25.0, 2.0, 1.1, 1.3, 3


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("bundle", type=Path, help="folder of the bundle")
    parser.add_argument("--data", help="as in eerun bench")
    parser.add_argument("--minutes", type=int, default=10, help="of load behind the first (default 10)")
    parser.add_argument("--minute-s", type=float, default=60.0, help="seconds of a minute (default 60)")
    parser.add_argument("--qps", type=float, help="queries a second; default 90 %% of the capacity, which is measured")
    parser.add_argument("--probe-s", type=float, default=10.0, help="seconds of a probe of the capacity (default 10)")
    parser.add_argument("--batch", type=int, default=4, help="samples a query (default 4)")
    parser.add_argument("--engine", default="auto", help="engine (default auto)")
    parser.add_argument("--precision", default="auto", help="precision (default auto)")
    parser.add_argument("--threads", type=int, help="threads of the engine")
    parser.add_argument("--seed", type=int, default=0, help="of arrivals and samples (default 0)")
    add_common_flags(parser)
    args = parser.parse_args()
    if args.quick:
        args.minutes, args.minute_s, args.probe_s = 4, 3.0, 1.5
    result = run(args)
    problems = result["problems"]
    print("PASSED" if not problems else "\n".join(["FAILED", *problems]))
    write_figure("soak", args.bundle.resolve().stem, result, args)
    raise SystemExit(1 if problems else 0)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """All of it; returns what was measured, and what was not as it should be."""
    bundle = open_bundle(args.bundle)
    inputs = {name: x[:SAMPLES] for name, x in load_test_split(bundle, args.data).samples.inputs.items()}
    results = answers_in_every_batch(
        args.bundle, inputs, engine=args.engine, precision=args.precision, threads=args.threads
    )
    known = reference(results, segments=len(bundle.manifest.segments))
    queries = make_queries(inputs, batch=args.batch, outputs=OUTPUTS, seed=args.seed)
    flags = ["--no-grpc", "--reload-s", "0", "--engine", args.engine, "--precision", args.precision]
    flags += [] if args.threads is None else ["--threads", str(args.threads)]
    generator = LoadGenerator(queries.bodies, connections=CONNECTIONS, patience_s=PATIENCE_S)
    with generator, EerunServer(args.bundle, flags) as server:
        load = Load(server, generator, queries, seed=args.seed)
        capacity, probes = load.capacity(args.probe_s) if args.qps is None else (None, [])
        qps = args.qps if capacity is None else LOAD_SHARE * capacity
        print(f"{server.line}: {qps:.1f} queries of {args.batch} samples a second")
        first = row_of(load.drive(qps, args.minute_s), queries, known)
        with MemoryWatch(server.pid) as watch:
            rows = [
                first,
                *(shown(row_of(load.drive(qps, args.minute_s), queries, known)) for _ in range(args.minutes)),
            ]
        line = server.line
    memory = {"looks": watch.looks.tolist(), "growth": growth_over(watch.looks), "allowed": MEMORY_SHARE}
    return {
        "sizes": sizes(args),
        "server": line,
        "capacity_qps": capacity,
        "probes": probes,
        "qps": qps,
        "reference": {"open": int(known.open.sum()), "spread": known.spread, "limit": known.limit},
        "minutes": rows,
        "memory": memory,
        "problems": problems_of(rows, memory["growth"]),
    }


class Load:
    """Blocks of load on one server, each with arrivals of its own.

    Args:
        server: the process.
        generator: sends.
        queries: what it sends.
        seed: of the arrivals.
    """

    def __init__(self, server: EerunServer, generator: LoadGenerator, queries: Queries, *, seed: int) -> None:
        self._server, self._generator, self._queries, self._seed = server, generator, queries, seed
        self._head = queries.head(server.address, served_model(server.address, None).name)
        self._blocks = 0

    def drive(self, qps: float, seconds: float) -> Recorded:
        """Run a block."""
        self._blocks += 1
        schedule = make_schedule(
            qps,
            queries=max(1, round(qps * seconds)),
            encoded=len(self._queries.bodies),
            warm_up_s=0,
            seed=self._seed,
            block=self._blocks,
        )
        return self._generator.run(self._server.address, self._head, schedule)

    def capacity(self, seconds: float) -> tuple[float, list[dict[str, float]]]:
        """Offer twice as much again and again until the server falls behind, then somewhat more than it answered.

        Returns:
            The greatest rate of answers where it fell behind, and all probes.
        """
        probes: list[dict[str, float]] = []
        qps, rates = FIRST_QPS, list[float]()
        while len(rates) < SATURATED:
            recorded = self.drive(qps, seconds)
            end_s, last_s = float(recorded.done_ns.max()) / 1e9, float(recorded.due_ns[-1]) / 1e9
            rate = float(recorded.answered.sum()) / end_s
            probes.append({"offered_qps": len(recorded.status) / last_s, "answered_qps": rate})
            if end_s > BEHIND * last_s or not recorded.answered.all():
                rates.append(rate)
                qps = ABOVE * max(rates)
            else:
                qps *= GROWTH
        return max(rates), probes


def row_of(recorded: Recorded, queries: Queries, known: Reference) -> dict[str, Any]:
    """One minute."""
    latency_ms = recorded.latency_ns[recorded.answered] / 1e6
    shares = {"p50_ms": 50, "p90_ms": 90, "p99_ms": 99, "p999_ms": 99.9}
    percentiles = {name: float(np.percentile(latency_ms, share)) for name, share in shares.items() if len(latency_ms)}
    compared: Compared = compare(recorded, queries, known)
    late_ms = float(np.percentile(recorded.late_ns, 99)) / 1e6
    return {"queries": len(recorded.status), **percentiles, "sent_late_p99_ms": late_ms, "compared": compared}


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Print a minute."""
    found: Compared = row["compared"]
    print(
        f"{row['queries']} queries {found.statuses}, p99 {row.get('p99_ms', float('nan')):.1f} ms; samples: "
        f"{found.equal} equal, {found.near} near, {found.far} far, {found.wrong} wrong, {found.open} open"
    )
    return row


def problems_of(rows: list[dict[str, Any]], growth: float) -> list[str]:
    """What was not as it should be; the first row is the warm-up."""
    found = []
    for minute, row in enumerate(rows):
        compared: Compared = row["compared"]
        lost = {status: count for status, count in compared.statuses.items() if status != "200"}
        bad = {name: getattr(compared, name) for name in ("wrong", "far", "unreadable") if getattr(compared, name)}
        found += [f"minute {minute}: {lost} of {row['queries']} queries"] if lost else []
        found += [f"minute {minute}: {bad} of {compared.samples} samples"] if bad else []
    p99 = [row.get("p99_ms", float("inf")) for row in rows[1:]]
    halves = [float(np.median(half)) for half in (p99[: len(p99) // 2], p99[len(p99) // 2 :]) if half]
    if halves[-1] > P99_RATIO * halves[0]:
        found.append(f"p99 went from {halves[0]:.1f} ms to {halves[-1]:.1f} ms, allowed {P99_RATIO} times")
    if growth > MEMORY_SHARE:
        found.append(f"memory grew by {growth:.1%}, allowed {MEMORY_SHARE:.0%}")
    return found


if __name__ == "__main__":
    main()
