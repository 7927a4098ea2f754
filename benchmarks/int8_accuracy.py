"""What INT8 costs in accuracy and in agreement with float32, at every exit and in the chain, against other quantisers.

    python benchmarks/int8_accuracy.py resnet56_3 --modelopt-python MODELOPT/bin/python

Every calibrator, on all samples and on survivors, lowered for every family of engines; ONNX Runtime's quantiser with
min-max and with its real entropy; nvidia-modelopt. All calibrate on *calib*, thresholds are tuned on *tune*, and *test*
is what is reported; a calibrator is chosen on *tune*. TensorRT's graphs run in ONNX Runtime here, and so do the rivals.
Nothing depends on how fast the machine is: thresholds are tuned with multiply-accumulates for costs.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.int8_network import (
    SilentStages,
    chain_logits,
    graph_logits,
    load_graph,
    load_segments,
    lower,
    mac_costs,
    prepare_network,
)
from benchmarks.int8_quality import Contestant, Said, chain_quality, exit_table, quality, said
from benchmarks.int8_result import write_result
from benchmarks.int8_rivals import Quantiser, quantisers, run_quantiser
from benchmarks.int8_verdict import calibrators, decisions, rivals, survivors
from benchmarks.networks import NETWORKS, available
from eecalib.int8.calibrators import CALIBRATORS
from eecalib.int8.survivors import Survivors, survivors_of
from eecompile.build.calibrate import calibrate
from eecompile.build.lower_graphs import Lowering, lower_graphs, serialize
from eecompile.build.prepare import Prepared
from eecompile.build.recorded import Recorded
from eecompile.build.settings import BuildSettings
from eengines.backends import load_backend
from eerun.costs import CostTable
from eerun.executor import LoadedChain

SPLITS = ("tune", "test")
PORTABLE = "onnxruntime"
DEFAULT = ("min-max", "survivors")
"""What a build takes unless told otherwise; decisions are compared with it."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A network and what its quantised forms are made and judged with."""

    prepared: Prepared
    settings: BuildSettings
    costs: CostTable
    limit: int | None

    def samples(self, split: str) -> Any:
        """One split, or its beginning for a try."""
        whole = self.prepared.splits[split]
        return whole if self.limit is None else whole.take(np.arange(min(self.limit, len(whole))))

    def chain(self, loaded: LoadedChain, reference: Recorded | None) -> Said:
        """Run a chain on *tune* and *test*."""
        return self._said({s: chain_logits(loaded, self.costs, self.samples(s)) for s in SPLITS}, reference)

    def graph(self, loaded: LoadedChain, reference: Recorded) -> Said:
        """Run a whole graph with exit heads on *tune* and *test*."""
        outputs = list(self.prepared.model.graph.outputs)
        return self._said({s: graph_logits(loaded, outputs, self.samples(s)) for s in SPLITS}, reference)

    def _said(self, logits: dict[str, Any], reference: Recorded | None) -> Said:
        labels = {split: self.samples(split).labels for split in SPLITS}
        return said(logits, labels, reference, self.costs, self.settings)


def survivor_rows(trial: Trial, chain: LoadedChain, float32: Said) -> tuple[Survivors, ...]:
    """Which calibration samples reach each segment in float32."""
    calib = trial.samples("calib")
    scores = exit_table(chain_logits(chain, trial.costs, calib), calib.labels, trial.settings.policy)
    return survivors_of(scores, float32.tuned.thresholds)


def our_graphs(trial: Trial, reach: tuple[Survivors, ...], float32: Said) -> dict[Contestant, Said]:
    """Every calibrator on all samples and on survivors, lowered for every family."""
    prepared, calib = trial.prepared, trial.samples("calib")
    source = Lowering(split=prepared.split, ranges=None, keep_float=frozenset())
    every = Survivors(rows=np.arange(len(calib)), reached=len(calib), padded=False)
    ways = {"all": (every,) * len(reach), "survivors": reach}
    found = {}
    for calibrator in CALIBRATORS:
        for way, rows in ways.items():
            print(f"  ours, {calibrator}, {way}: {[len(entry.rows) for entry in rows]} samples ...", file=sys.stderr)
            ranges = calibrate(
                prepared.split,
                calib,
                calibrator=calibrator,
                calibrate_on=way,
                survivors=rows,
                keep_float=frozenset(),
                stages=SilentStages(),
            )
            for family, engine in _places():
                graphs = lower(source, ranges, family=family)
                loaded = load_segments(prepared, graphs, engine=engine)
                key = Contestant(tool="ours", calibrator=calibrator, calibrate_on=way, family=family, engine=engine)
                found[key] = trial.chain(loaded, float32.recorded)
    return found


def _places() -> list[tuple[str, str]]:
    """Families, and what runs their graphs here."""
    places = [("onnxruntime", PORTABLE), ("tensorrt", PORTABLE), ("openvino", PORTABLE)]
    if "int8" in load_backend("openvino").probe().precisions:
        places.append(("openvino", "openvino"))
    return places


def rival_graphs(trial: Trial, modelopt: Path | None, float32: Said, folder: Path) -> dict[Contestant, Said]:
    """The whole network with exit heads, quantised by others."""
    calib, found = trial.samples("calib"), {}
    (entry,) = trial.prepared.inputs
    model = folder / "model.onnx"
    model.write_bytes(serialize(trial.prepared.model, None))
    rivals = quantisers(modelopt)
    fewer = 256
    todo: list[tuple[Quantiser, int]] = [*((rival, len(calib)) for rival in rivals), (rivals[0], fewer)]
    for number, (rival, count) in enumerate(todo):
        print(f"  {rival.name}, {count} images ...", file=sys.stderr)
        images, out = folder / f"images-{count}.npy", folder / f"{number}.onnx"
        np.save(images, calib.inputs[entry.name][:count])
        run_quantiser(rival, model, images, out, name=entry.name)
        key = Contestant(
            tool=rival.tool,
            calibrator=rival.method,
            calibrate_on=f"{count} images",
            family=PORTABLE if rival.tool == "ort" else "tensorrt",
            engine=PORTABLE,
        )
        found[key] = trial.graph(load_graph(trial.prepared, out.read_bytes(), engine=PORTABLE), float32.recorded)
    return found


def measure(trial: Trial, modelopt: Path | None, folder: Path) -> dict[str, Any]:
    """Record and judge everyone."""
    source = Lowering(split=trial.prepared.split, ranges=None, keep_float=frozenset())
    graphs = lower_graphs(source, family=PORTABLE, precision="float32")
    chain = load_segments(trial.prepared, graphs, engine=PORTABLE)
    float32 = trial.chain(chain, None)
    base = Contestant(tool="float32", calibrator="none", calibrate_on="none", family=PORTABLE, engine=PORTABLE)
    reach = survivor_rows(trial, chain, float32)
    ours = our_graphs(trial, reach, float32)
    others = rival_graphs(trial, modelopt, float32, folder)
    everyone = {base: float32, **ours, **others}
    rows = [
        {
            "name": contestant.name,
            "contestant": contestant,
            "tune": quality(found, float32, "tune"),
            "test": quality(found, float32, "test"),
            "chain_on_test": chain_quality(found, float32),
        }
        for contestant, found in everyone.items()
    ]
    for row in rows:
        show(row)
    return {
        "samples": {split: len(trial.samples(split)) for split in ("calib", *SPLITS)},
        "calibrated_on": [{"reached": entry.reached, "samples": len(entry.rows)} for entry in reach],
        "modelopt": "measured" if modelopt else "skipped: no interpreter was given",
        "contestants": rows,
        "calibrators_on_tune": calibrators(ours, float32),
        "survivors_on_test": survivors(ours, float32),
        "decisions_on_test": decisions(ours, *DEFAULT),
        "rivals_on_test": rivals(ours, others, float32),
    }


def show(row: dict[str, Any]) -> None:
    """Print one line a network."""
    test, chain = row["test"], row["chain_on_test"]
    cells = [
        " ".join(f"{100 * share:5.2f}" for share in test["accuracy"]),
        " ".join(f"{100 * share:6.2f}" for share in test["agreement"]),
        " ".join(f"{error:.3f}" for error in test["logit_error"]),
        f"{100 * chain['accuracy']:5.2f} at {chain['cost_by_macs']:.3f}",
        f"{100 * chain['same_exit_as_float32_at_its_thresholds']:5.1f}",
    ]
    print(f"{row['name']:52} | " + " | ".join(cells))


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("network", choices=available())
    parser.add_argument("--data", type=Path, help="the network's data, if it is unpacked already")
    parser.add_argument("--modelopt-python", type=Path, help="interpreter that has nvidia-modelopt; else it is skipped")
    parser.add_argument("--limit", type=int, help="samples of each split, for a try; nothing is written then")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        prepared, settings = prepare_network(NETWORKS[args.network], args.data, Path(name))
        trial = Trial(prepared=prepared, settings=settings, costs=mac_costs(prepared.split), limit=args.limit)
        print("test accuracy % | agreement with float32 % | logit error | chain accuracy at cost | same exits %")
        result = measure(trial, args.modelopt_python, Path(name))
    for title in ("calibrators_on_tune", "survivors_on_test", "decisions_on_test", "rivals_on_test"):
        print(f"== {title}")
        for row in result[title]:
            print(f"  {row}")
    if args.limit is None:
        write_result("int8_accuracy", args.network, result)


if __name__ == "__main__":
    main()
