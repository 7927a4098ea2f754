"""Measure chains on the GPU that is here, and write `benchmarks/results/gpu-<card>.json`.

    python benchmarks/gpu.py                          # every network, engine and precision that is at hand
    python benchmarks/gpu.py digits --engine tensorrt --batches 32
    python benchmarks/gpu.py digits --device cpu      # rehearsal: the same code where there is no GPU

For each engine, precision and batch size: chain with exits, chain with exits off and the whole network as one CUDA
graph, by turns with eager PyTorch that leaves early and with the whole network under `torch.compile` (max-autotune,
CUDA graphs); and one batch taken apart by events: boundaries when the host and when the device decides, exit kernels
with and without compaction, copies. All run one batch at a time, copies in and out included.

A rehearsal runs engines of the CPU on a CPU that imitates a GPU. Its times mean nothing and never get into
`gpu-*.json`.
"""

import argparse
import logging
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.gpu_goals import goals_of  # noqa: E402
from benchmarks.gpu_prepare import Choice, prepare  # noqa: E402
from benchmarks.gpu_race import DeviceRace  # noqa: E402
from benchmarks.gpu_show import show  # noqa: E402
from benchmarks.networks import NETWORKS, Network, available  # noqa: E402
from eengines.device import Device  # noqa: E402
from eengines.devices.cpu import CpuDevice  # noqa: E402
from eengines.devices.cuda import open_cuda_device, probe_cuda  # noqa: E402
from eengines.errors import EEError  # noqa: E402
from eerun.bench.environment import environment  # noqa: E402
from eerun.bench.file_names import command_without_folders  # noqa: E402
from eerun.choose_configuration import usable_configurations  # noqa: E402
from eerun.data import load_data, make_splits  # noqa: E402
from eerun.device_configuration import OnDevice  # noqa: E402
from eerun.device_settings import DeviceSettings  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
BATCHES = (1, 8, 32, 128)
SEED = 0
REHEARSAL = "rehearsal of the GPU benchmark on a CPU device: these times are no result"
REHEARSAL_ENGINE = "onnxruntime"


def measure(network: Network, choice: Choice, device: Device, *, on_gpu: bool) -> dict[str, Any]:
    """Every engine and precision of one network on the device."""
    with tempfile.TemporaryDirectory() as name:
        bundle, data = prepare(network, choice, Path(name), on_gpu=on_gpu)
        names = [entry.name for entry in bundle.manifest.inputs]
        inputs = make_splits(load_data(str(data), input_names=names), seed=bundle.manifest.split_seed)["test"].inputs
        found = usable_configurations(bundle, DeviceSettings(device=device))
        results: dict[str, Any] = {}
        for way in found.configurations:
            if isinstance(way, OnDevice) and _asked(way, choice, on_gpu=on_gpu):
                title = f"{'' if on_gpu else 'rehearsal: '}{network.name} {way.name}"
                others, why_not = torch_contestants(network, way, choice, on_gpu=on_gpu)
                race = DeviceRace(
                    way=way, inputs=inputs, seconds=choice.seconds, rounds=choice.rounds, seed=SEED, others=others
                )
                results[way.name] = {
                    "no_torch": why_not,
                    **_all_batches(race, choice.batches, title),
                }
        return {"configurations": results, "not_usable": found.reasons}


def _asked(way: OnDevice, choice: Choice, *, on_gpu: bool) -> bool:
    """Whether the command line asks for a configuration."""
    engine = choice.engine if on_gpu or choice.engine != "auto" else REHEARSAL_ENGINE
    return engine in ("auto", way.engine) and choice.precision in ("auto", way.entry.precision)


def _all_batches(race: DeviceRace, batches: tuple[int, ...], title: str) -> dict[str, Any]:
    """Measure at every batch size that the costs have a bucket for."""
    buckets = race.way.costs().buckets
    results = {batch: race.run(batch) for batch in batches if batch in buckets}
    goals = goals_of(results)
    for result in results.values():
        show(title, result)
    for goal in goals:
        print(f"{title}: {goal.words}")
    return {
        "batches": {str(batch): result for batch, result in results.items()},
        "without_a_bucket": [batch for batch in batches if batch not in buckets],
        "goals": [{"words": goal.words, "most": goal.most, "value": goal.value} for goal in goals],
    }


def torch_contestants(
    network: Network, way: OnDevice, choice: Choice, *, on_gpu: bool
) -> tuple[Mapping[str, Callable[..., object]], str | None]:
    """PyTorch in the same precision, and why it does not take part; a rehearsal leaves `torch.compile` out."""
    if not choice.torch:
        return {}, "--no-torch"
    if way.entry.precision == "int8":
        return {}, "PyTorch runs no INT8 on a GPU without another library"
    import torch

    from benchmarks.gpu_torch import TorchRivals

    if on_gpu and not torch.cuda.is_available():
        return {}, f"torch {torch.__version__} has no CUDA here"
    device, thresholds = "cuda" if on_gpu else "cpu", way.policy().thresholds
    rivals = TorchRivals(network.model, network.factory, way.entry.precision, device, thresholds)
    found: dict[str, Callable[..., object]] = {"torch eager, early exit": rivals.eager}
    if on_gpu:
        found["torch.compile, whole"] = rivals.compiled()
    return found, None


def write(device: Device, networks: Mapping[str, Any], folder: Path, *, on_gpu: bool) -> Path:
    """Write the record; a rehearsal says what it is, in its name and inside."""
    capability = device.compute_capability
    command = " ".join(command_without_folders(sys.argv))
    record = {
        "format": "eecompile.gpu_benchmark/1.0",
        "what": f"GPU benchmark on {device.name}" if on_gpu else REHEARSAL,
        "card": device.name,
        "compute_capability": None if capability is None else "{}.{}".format(*capability),
        "environment": replace(environment(), command=command, driver=device.driver),
        "networks": networks,
    }
    slug = re.sub(r"[^a-z0-9]+", "-", device.name.lower()).strip("-")
    folder.mkdir(exist_ok=True, parents=True)
    file = folder / (f"gpu-{slug}.json" if on_gpu else "rehearsal-of-gpu-benchmark.json")
    file.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
    return file


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    found.add_argument(
        "networks", nargs="*", help=f"of {', '.join(NETWORKS)}; default: digits and resnet56_3, if there"
    )
    found.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: rehearsal without a GPU")
    found.add_argument("--engine", default="auto", help="engine of the chain (default: all)")
    found.add_argument("--precision", default="auto", help="precision of the chain (default: all)")
    found.add_argument("--batches", default=",".join(map(str, BATCHES)), help="batch sizes (default %(default)s)")
    found.add_argument("--seconds", type=float, default=10.0, help="seconds of each race (default 10)")
    found.add_argument("--rounds", type=int, default=100, help="rounds of each profile (default 100)")
    found.add_argument("--no-torch", action="store_true", help="leave PyTorch out")
    found.add_argument("--bundle", type=Path, help="a built bundle of the one network, in place of a fresh one")
    found.add_argument(
        "--output",
        type=Path,
        help="folder of the record; default benchmarks/results, in a rehearsal the current one",
    )
    return found


def main() -> None:
    """Measure what the command line asks for."""
    logging.basicConfig(level=logging.WARNING, format="  ! %(message)s")
    command = parser()
    args = command.parse_args()
    on_gpu = args.device == "cuda"
    if on_gpu and not (capability := probe_cuda()).ok:
        sys.exit(f"benchmarks/gpu.py: no GPU here: {capability.reason}")
    if not on_gpu:
        print(REHEARSAL, flush=True)  # before the example is trained, which prints as well
    at_hand = available()
    names = args.networks or [name for name in ("digits", "resnet56_3") if name in at_hand]
    unknown = sorted(set(names) - set(at_hand))
    if unknown or (args.bundle is not None and len(names) != 1):
        command.error(f"--bundle is of one network; at hand are {', '.join(at_hand)}; got {', '.join(names)}")
    device: Device = open_cuda_device() if on_gpu else CpuDevice(seed=SEED)
    choice = Choice(
        engine=args.engine,
        precision=args.precision,
        batches=tuple(int(batch) for batch in args.batches.split(",")),
        seconds=args.seconds,
        rounds=args.rounds,
        torch=not args.no_torch,
        bundle=args.bundle,
    )
    try:
        networks = {name: measure(NETWORKS[name], choice, device, on_gpu=on_gpu) for name in names}
    except EEError as error:
        sys.exit(f"benchmarks/gpu.py: {error}")
    file = write(device, networks, args.output or (RESULTS if on_gpu else Path.cwd()), on_gpu=on_gpu)
    print(f"wrote {file.name}")


if __name__ == "__main__":
    main()
