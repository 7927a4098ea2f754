"""Gati's table: how often each kind of head gives the trunk's answer, at each tap, beside the published shares.

    python benchmarks/head_agreement.py                      # ResNet-18, CIFAR-10
    python benchmarks/head_agreement.py --samples 8000 --epochs 5 --heads fc,pool,conv
    python benchmarks/head_agreement.py --quick              # is everything there?

Heads learn the answers of a frozen trunk; the epoch is chosen on a share of the training images. What is written is the
agreement on test images, which no weight and no choice has seen. Gati trained on 50,000 images for 99 epochs and
chose epochs on the test images themselves; sizes here are in the result. Ctrl-C ends training and writes what it has.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.attached_heads import all_answers, fresh_heads, scores_of
from benchmarks.figure_result import add_common_flags, write_figure
from benchmarks.plain_networks import PLAIN, TRUNK, PlainNetwork, plain_network
from eecompile.attach.attachment import FINAL, Attachment
from eecompile.attach.settings import AttachSettings
from eecompile.attach.training_data import training_data
from eecompile.cli.stages import ConsoleStages
from eecompile.train.report import TrainReport
from eecompile.train.settings import TrainSettings
from eecompile.train.train_heads import train_heads
from eerun.data import load_data

HEADS = "fc,pool,conv,linear,strided,bof,simple,conv3,remainder"
QUICK_IMAGES, QUICK_EPOCHS = 300, 1

GATI = {
    "fc": (0.5514, 0.6068, 0.7864, 0.8534, 0.9450, 0.9919, 0.9995, 1.0),
    "pool": (0.5519, 0.6834, 0.7826, 0.8461, 0.9249, 0.9901, 0.9995, 1.0),
    "conv": (0.5763, 0.6604, 0.7591, 0.8264, 0.9328, 0.9828, 0.9994, 1.0),
}
"""Published agreement by tap of a ResNet-18 with 64 to 512 channels on CIFAR-10 (README of Gati's code)."""


def measure(network: PlainNetwork, heads: str, train: TrainSettings) -> dict[str, Any]:
    """Train all heads and answer every test image."""
    with ConsoleStages(verbose=True) as stages:
        backbone, placed = fresh_heads(network, heads, seed=train.seed)
        attached = placed.attached
        samples = training_data(
            str(network.model), AttachSettings(data=str(network.data), train=train), backbone.inputs
        )
        report = train_heads(attached, backbone.inputs, samples, train, stages)
        test = load_data(str(network.data), input_names=[info.name for info in backbone.inputs]).splits["test"]
        with stages.stage("answer the test images"):
            scores = scores_of(all_answers(attached, backbone.inputs[0], test), test)
    return {
        "trunk": TRUNK[network.name],
        "training": {"images": report.samples, "chosen_on": report.validation_samples, "settings": train},
        "finished_epochs": report.epochs,
        "interrupted": report.interrupted,
        "device": report.device,
        "seconds": {"all": report.seconds, "features": report.features_seconds},
        "test_images": len(test),
        "trunk_accuracy": scores[FINAL]["accuracy"],
        "heads": _heads(attached.attachment, report, scores),
        "refused": placed.refused,
    }


def _heads(attachment: Attachment, report: TrainReport, scores: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """One entry a head, with what Gati published for it where there are as many taps."""
    taps = [tap.name for tap in attachment.taps]
    rows = []
    for head, trained in zip(attachment.heads, report.heads, strict=True):
        published = GATI.get(head.kind)
        place = taps.index(head.tap)
        rows.append(
            {
                "tap": place + 1,
                "module": head.tap,
                "kind": head.kind,
                "options": head.options,
                "agreement": scores[head.name]["agreement"],
                "accuracy": scores[head.name]["accuracy"],
                "agreement_gati": published[place] if published is not None and len(taps) == len(published) else None,
                "agreement_chosen_on": trained.agreement,
                "best_epoch": trained.best_epoch,
                "problem": trained.problem,
                "parameters": head.parameters,
                "bytes": 4 * head.parameters,
                "macs": head.macs,
                "macs_of_trunk": head.macs / attachment.macs,
            }
        )
    return rows


def table(result: dict[str, Any]) -> str:
    """Agreement in per cent, one row a tap, one column a kind; in brackets what Gati published."""
    kinds = list(dict.fromkeys(row["kind"] for row in result["heads"]))
    lines = ["tap  " + "".join(f"{kind:>16}" for kind in kinds)]
    for tap in sorted({row["tap"] for row in result["heads"]}):
        cells = {row["kind"]: row for row in result["heads"] if row["tap"] == tap}
        lines.append(f"{tap:<5}" + "".join(f"{_cell(cells.get(kind)):>16}" for kind in kinds))
    return "\n".join(lines)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    published = row["agreement_gati"]
    return f"{100 * row['agreement']:.2f}" + (f" ({100 * published:.2f})" if published is not None else "")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("network", nargs="?", default=PLAIN[0], choices=PLAIN)
    parser.add_argument("--heads", default=HEADS, help=f"as eecompile attach takes them (default {HEADS})")
    parser.add_argument("--samples", type=int, default=5000, help="training images (default 5000)")
    parser.add_argument("--epochs", type=int, default=4, help="passes over them (default 4)")
    parser.add_argument("--test", type=int, default=5000, help="test images (default 5000)")
    parser.add_argument("--batch", type=int, default=128, help="images a step (default 128)")
    parser.add_argument("--cache-gib", type=int, default=16, help="most GiB of features on disk (default 16)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and the images to choose on (default 0)")
    add_common_flags(parser)
    args = parser.parse_args()
    train = TrainSettings(
        epochs=QUICK_EPOCHS if args.quick else args.epochs,
        batch=args.batch,
        cache_bytes=args.cache_gib << 30,
        seed=args.seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        train_images, test_images = (QUICK_IMAGES, QUICK_IMAGES) if args.quick else (args.samples, args.test)
        network = plain_network(args.network, Path(folder), train=train_images, test=test_images)
        result = measure(network, args.heads, train)
    print(table(result))
    write_figure("head_agreement", args.network, result, args)


if __name__ == "__main__":
    main()
