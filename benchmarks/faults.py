"""Does a server stay up, whatever comes? Faults at random, for minutes, while others are served.

    python benchmarks/faults.py model.ee --data model.npz
    python benchmarks/faults.py model.ee --data model.npz --quick

A process of `eerun serve` has two models: the bundle, and a small one whose engine really fails on some samples. Steady
clients ask the first all the time, and every answer is compared with `Model.infer`. Faulty clients send random bytes,
truncated JSON, lengths and shapes that lie, tensors that are too large, NaN, a byte now and then, and samples that make
the engine raise; others go away in the middle. The bundle is swapped for damaged ones and for good ones. At the end the
process gets SIGTERM under load.
PASSED: no answer is wrong, no request of the steady clients is lost or refused, each fault is answered as it should be,
damaged bundles are never served, threads and descriptors are back, and the peaks of memory do not rise. Ends with 1 if
not.
Writes `benchmarks/results/faults-<bundle>.json`.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.faulty_clients import FAULTS, Victim  # noqa: E402
from benchmarks.figure_result import add_common_flags, sizes, write_figure  # noqa: E402
from benchmarks.fragile_bundle import write_fragile  # noqa: E402
from benchmarks.infer_answers import answers_in_every_batch  # noqa: E402
from benchmarks.memory_watch import MemoryWatch, peak_growth  # noqa: E402
from benchmarks.server_footprint import Footprint, footprint, settled_footprint  # noqa: E402
from benchmarks.steady_clients import ANSWERED, Right, SteadyClients, right_answers  # noqa: E402
from benchmarks.swap_bundle import DAMAGES, damage, replace_bundle, touch_bundle  # noqa: E402
from eerun.bench.server.eerun_server import EerunServer  # noqa: E402
from eerun.bench.server.http_json import ask  # noqa: E402
from eerun.bench.split_to_bench import load_test_split  # noqa: E402
from eerun.bundle import open_bundle  # noqa: E402

MAX_MIB, TIMEOUT_S, RELOAD_S, PATIENCE_S, WARM_UP_SWAPS = 1, 2.0, 0.2, 20.0, 8
SAMPLES, FAULTY, STEADY, PAUSE_S = 64, 4, 2, 0.02


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("bundle", type=Path, help="folder of the bundle")
    parser.add_argument("--data", help="as in eerun bench")
    parser.add_argument("--minutes", type=float, default=10.0, help="of faults (default 10)")
    parser.add_argument("--swap-s", type=float, default=10.0, help="seconds between two swaps (default 10)")
    parser.add_argument("--memory-share", type=float, default=0.05, help="that peaks may rise (default 0.05)")
    parser.add_argument("--engine", default="auto", help="engine (default auto)")
    parser.add_argument("--precision", default="auto", help="precision (default auto)")
    parser.add_argument("--threads", type=int, help="threads of the engine")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default 0)")
    add_common_flags(parser)
    args = parser.parse_args()
    if args.quick:
        args.minutes, args.swap_s, args.memory_share = 0.5, 6.0, 0.3
    with tempfile.TemporaryDirectory() as folder:
        result = run(args, Path(folder))
    problems = result["problems"]
    print("PASSED" if not problems else "\n".join(["FAILED", *problems]))
    write_figure("faults", args.bundle.resolve().stem, result, args)
    raise SystemExit(1 if problems else 0)


def run(args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Serve, do wrong, stop; returns counts and what was not as it should be."""
    bundle, kept = work / "model.ee", work / "kept.ee"
    for copy in (bundle, kept):
        shutil.copytree(args.bundle, copy)
    fragile = write_fragile(work / "fragile.ee")
    flags = ["--engine", args.engine, "--precision", args.precision]
    flags += [] if args.threads is None else ["--threads", str(args.threads)]
    limits = ["--no-grpc", "--reload-s", str(RELOAD_S), "--request-timeout-s", str(TIMEOUT_S)]
    right = _right(args, bundle)
    with EerunServer(bundle, [f"fragile={fragile.path}", *flags, *limits, "--max-request-mib", str(MAX_MIB)]) as server:
        victim = Victim(address=server.address, model="fragile", fragile=fragile, max_bytes=MAX_MIB * 2**20)
        session = Session(server, victim, right, Swaps(bundle, kept, args.seed), seed=args.seed)
        session.faults((2 if args.quick else WARM_UP_SWAPS) * args.swap_s, swap_s=args.swap_s)
        before = settled(server.pid)
        with MemoryWatch(server.pid) as memory:
            counts = session.faults(60 * args.minutes, swap_s=args.swap_s)
        after = settled_footprint(server.pid, before, patience_s=PATIENCE_S)
        status = json.loads(ask(server.address, "status.json")[1])["models"]
        stopped = session.stop_under_load()
    found = {"faults": counts, "footprint": {"before": before, "after": after}, "stop": stopped}
    rise = peak_growth(memory.looks)
    high = [] if rise <= args.memory_share else [f"peak memory rose by {rise:.1%}, allowed {args.memory_share:.0%}"]
    reloads = {name: status[0][name] for name in ("version", "reloads", "reload_failures")}
    return {
        "sizes": sizes(args),
        **found,
        "reloads": reloads,
        "memory": {"looks": memory.looks.tolist(), "peak_growth": rise, "allowed": args.memory_share},
        "problems": [*problems_of(counts, stopped), *not_back(before, after), *swap_problems(counts, reloads), *high],
    }


def settled(pid: int) -> Footprint:
    """The process when it has been idle for a while; the most threads and descriptors that it had then."""
    sleep(2 * TIMEOUT_S)
    looks = [footprint(pid) for _ in range(5) if sleep(0.2) is None]
    last = looks[-1]
    most = max(look.threads for look in looks), max(look.descriptors for look in looks)
    return replace(last, threads=most[0], descriptors=most[1])


def _right(args: argparse.Namespace, bundle: Path) -> Right:
    samples = load_test_split(open_bundle(args.bundle), args.data).samples.inputs
    if len(samples) != 1:
        raise SystemExit("this benchmark wants a bundle with one input")
    ((name, x),) = samples.items()
    x = np.ascontiguousarray(x[:SAMPLES])
    results = answers_in_every_batch(
        bundle, {name: x}, engine=args.engine, precision=args.precision, threads=args.threads
    )
    return right_answers(name, x, results)


class Swaps:
    """Puts damaged and good bundles in turns where the served one lies.

    Args:
        bundle: the folder that is served.
        kept: a good copy.
        seed: of the damage.
    """

    def __init__(self, bundle: Path, kept: Path, seed: int) -> None:
        self._bundle, self._kept = bundle, kept
        self._random = np.random.default_rng((seed, 1))
        self.done = Counter[str]()

    def damage(self) -> None:
        """One kind of damage after the other."""
        kind = DAMAGES[self.done.total() % len(DAMAGES)]
        damage(self._bundle, kind, self._random)
        self.done[kind] += 1

    def mend(self) -> None:
        """A good bundle that is not the one before."""
        touch_bundle(self._kept, number=self.done.total())
        replace_bundle(self._bundle, self._kept)


class Session:
    """One server, its clients, and what they got.

    Args:
        server: the process.
        victim: what faulty clients ask.
        right: what steady clients ask.
        swaps: of the bundle.
        seed: of everything that is drawn.
    """

    def __init__(self, server: EerunServer, victim: Victim, right: Right, swaps: Swaps, *, seed: int) -> None:
        self._server, self._victim, self._right, self._swaps, self._seed = server, victim, right, swaps, seed
        self._rounds = 0

    def _clients(self) -> SteadyClients:
        self._rounds += 1
        seed = self._seed + self._rounds
        return SteadyClients(self._server.address, "model", self._right, clients=STEADY, seed=seed)

    def faults(self, seconds: float, *, swap_s: float) -> dict[str, Any]:
        """Faults for a time; returns what came, by fault, and what became of the steady clients' requests."""
        self._swaps.done.clear()
        end_s = monotonic() + seconds
        with self._clients() as clients, ThreadPoolExecutor(FAULTY) as pool:
            streams: list[Future[Counter[tuple[str, str]]]] = [
                pool.submit(self._stream, (self._seed, self._rounds, number), end_s) for number in range(FAULTY)
            ]
            while monotonic() < end_s:
                self._swaps.damage()
                sleep(swap_s / 2)
                self._swaps.mend()
                sleep(swap_s / 2)
            came = sum((stream.result() for stream in streams), Counter[tuple[str, str]]())
        by_fault: dict[str, dict[str, int]] = {name: {} for name in FAULTS}
        for (name, outcome), count in sorted(came.items()):
            by_fault[name][outcome] = count
        steady = {"requests": clients.counts, "reasons": clients.reasons}
        return {"by_fault": by_fault, "steady": steady, "damaged": dict(self._swaps.done)}

    def _stream(self, seed: tuple[int, ...], end_s: float) -> "Counter[tuple[str, str]]":
        """One fault after the other."""
        random, came, names = np.random.default_rng(seed), Counter[tuple[str, str]](), sorted(FAULTS)
        while monotonic() < end_s:
            name = names[int(random.integers(len(names)))]
            came[name, FAULTS[name].commit(self._victim, random)] += 1
            sleep(float(random.exponential(PAUSE_S)))
        return came

    def stop_under_load(self) -> dict[str, Any]:
        """SIGTERM while clients ask; returns the exit code, and what became of requests that were sent before."""
        with self._clients() as clients:
            sleep(1.0)
            clients.server_ends()
            process = psutil.Process(self._server.pid)
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
        return {"exit_code": code, "requests": clients.counts, "reasons": clients.reasons}


def problems_of(counts: dict[str, Any], stopped: dict[str, Any]) -> list[str]:
    """Answers that should not have come."""
    found = [
        f"{name}: {count} times {outcome}, expected {', '.join(sorted(FAULTS[name].allowed))}"
        for name, outcomes in counts["by_fault"].items()
        for outcome, count in outcomes.items()
        if outcome not in FAULTS[name].allowed
    ]
    found += [f"{name} was never tried" for name, outcomes in counts["by_fault"].items() if not outcomes]
    for words, requests in (("steady", counts["steady"]["requests"]), ("at the stop", stopped["requests"])):
        found += [f"{words}: {count} {what}" for what, count in requests.items() if what != ANSWERED]
        found += [] if requests.get(ANSWERED) else [f"{words}: nothing was answered"]
    return found if stopped["exit_code"] == 0 else [*found, f"exit code {stopped['exit_code']}, expected 0"]


def swap_problems(counts: dict[str, Any], reloads: dict[str, Any]) -> list[str]:
    """Swaps that were not seen: each damage is refused at least once, and there were good bundles between."""
    damaged = sum(counts["damaged"].values())
    found = [] if reloads["reload_failures"] >= damaged else [f"{damaged} damaged bundles, refused fewer: {reloads}"]
    return found if reloads["reloads"] else [*found, "no good bundle was loaded"]


def not_back(before: Footprint, after: Footprint) -> list[str]:
    """What the process holds more than before."""
    return [
        f"{name}: {getattr(before, name)} before, {getattr(after, name)} after"
        for name in ("threads", "descriptors")
        if getattr(after, name) > getattr(before, name)
    ]


if __name__ == "__main__":
    main()
