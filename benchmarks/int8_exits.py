"""Time of the INT8 chain with exits against the whole float32 network without exit heads, on the same engine.

    python benchmarks/int8_exits.py resnet56_3

This is what a user gains who had that engine in float32. It is not the figure to judge exits by: that is the ratio to
the fastest whole network, which `early_exit.py` measures. The bundle is built as any user would; both take turns on the
same batches of the *test* split, and every sample is answered at least once.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.int8_network import BATCH, SilentStages
from benchmarks.int8_result import write_result
from benchmarks.int8_speed import race
from benchmarks.networks import NETWORKS, Network, available
from eecompile.build import BuildSettings, build
from eengines.threads import default_threads
from eerun import load
from eerun.bench.statistics import paired_ratio
from eerun.bench.whole_network import WholeNetwork
from eerun.bundle import open_bundle
from eerun.choose_configuration import choose_configuration
from eerun.data import Samples, load_data, make_splits

ENGINES = ("onnxruntime", "openvino")
SEED = 0


def make_bundle(network: Network, data: str, folder: Path, *, engine: str) -> Path:
    """Build as a user would."""
    bundle = folder / "model.ee"
    settings = BuildSettings(output=bundle, data=data, factory=network.factory, engine=engine, precision="int8")
    build(network.model, settings, SilentStages())
    return bundle


def measure(bundle: Path, test: Samples, *, engine: str, seconds: float) -> dict[str, Any]:
    """Race the two at batch 32 and 1, and compare their answers over the whole split."""
    model = load(bundle, engine=engine, precision="int8")
    float32 = choose_configuration(open_bundle(bundle), engine=engine, precision="float32")
    whole = WholeNetwork(float32, threads=default_threads())
    answered, expected = model.infer(test.inputs), whole.infer(test.inputs).argmax(axis=1)
    result: dict[str, Any] = {
        "samples": len(test),
        "agreement": float((answered.labels == expected).mean()),
        "shares": np.bincount(answered.exit_index, minlength=len(model.manifest.exits)) / len(test),
    }
    result["shares"] = [float(share) for share in result["shares"]]
    if test.labels is not None:
        result["accuracy"] = float((answered.labels == test.labels).mean())
        result["accuracy_float32"] = float((expected == test.labels).mean())
    for batch in (BATCH, 1):
        whole.warm_up(batch)
        times = race({"chain": model.infer, "whole": whole.infer}, test.inputs, batch=batch, seconds=seconds)
        result[f"batch_{batch}"] = {
            "median_ms": {name: float(np.median(found)) / 1e6 for name, found in times.items()},
            "speedup": paired_ratio(times["whole"], times["chain"], batch=batch, seed=SEED),
        }
    return result


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("network", choices=available())
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0], help="of both (default onnxruntime)")
    parser.add_argument("--data", type=Path, help="the network's data, if it is unpacked already")
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds at each batch size (default 20)")
    args = parser.parse_args()
    network = NETWORKS[args.network]
    with tempfile.TemporaryDirectory() as name:
        data = str(args.data or network.data(Path(name)))
        bundle = make_bundle(network, data, Path(name), engine=args.engine)
        names = [entry.name for entry in open_bundle(bundle).manifest.inputs]
        test = make_splits(load_data(data, input_names=names), seed=SEED)["test"]
        result = measure(bundle, test, engine=args.engine, seconds=args.seconds)
    for batch in (BATCH, 1):
        found = result[f"batch_{batch}"]
        low, value, high = (getattr(found["speedup"].median, part) for part in ("low", "value", "high"))
        print(f"batch {batch}: {found['median_ms']}, {value:.2f}x [{low:.2f}, {high:.2f}]")
    print(f"accuracy {result.get('accuracy')}, float32 {result.get('accuracy_float32')}")
    write_result(f"int8_exits-{args.engine}", args.network, {"engine": args.engine, **result})


if __name__ == "__main__":
    main()
