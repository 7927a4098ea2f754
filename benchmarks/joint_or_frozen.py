"""Joint or frozen training: the same network, heads, images and time; which exits win?

    python benchmarks/joint_or_frozen.py                     # ResNet-18, CIFAR-10
    python benchmarks/joint_or_frozen.py digits --quick --augmentation none

Joint training runs first, for `--epochs`. Frozen training then gets as many epochs as fit into the time that joint
training took; how long they last is measured on a tenth of the images before. Both start from the trained trunk and
learn the labels. Each network's thresholds are tuned on one half of the test images, for 99 % of the accuracy of the
trunk as it was given; everything that is reported is of the other half. Costs are multiply-accumulates. Ctrl-C in the
epochs goes on with the best so far.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.attached_heads import exit_table, fresh_heads
from benchmarks.figure_result import add_common_flags, write_figure
from benchmarks.mac_costs import MACS_A_MS, mac_costs
from benchmarks.plain_networks import PLAIN, TRUNK, PlainNetwork, plain_network
from eecalib.exit_table import ExitTable
from eecalib.expected_cost import expected_batch_ms
from eecalib.replay import replay
from eecalib.thresholds import tune_thresholds
from eecompile.attach.attached import Attached
from eecompile.attach.attachment import Attachment
from eecompile.attach.backbone import Backbone
from eecompile.attach.settings import AttachSettings
from eecompile.attach.training_data import training_data
from eecompile.cli.stages import ConsoleStages
from eecompile.train.report import TrainReport
from eecompile.train.settings import TrainSettings
from eecompile.train.train_heads import train_heads
from eerun.data import Samples, load_data

MAX_DROP = 0.01
QUICK_IMAGES, QUICK_EPOCHS = 300, 1


class Race:
    """One network's data, and the ways to train heads on it.

    Args:
        network: what `plain_network` wrote.
        heads: the kind of head at every tap but the last, behind which no time is left to save.
        common: settings that both ways share.
        stages: where progress is shown.
    """

    def __init__(self, network: PlainNetwork, heads: str, common: TrainSettings, stages: ConsoleStages) -> None:
        self._network, self._heads, self._common, self._stages = network, heads, common, stages
        backbone, placed = fresh_heads(network, heads, seed=common.seed)
        self._at = placed.attached.attachment.automatic[:-1]
        settings = AttachSettings(data=str(network.data), train=common)
        self._train = training_data(str(network.model), settings, backbone.inputs)
        test = load_data(str(network.data), input_names=[info.name for info in backbone.inputs]).splits["test"]
        order = np.random.default_rng(common.seed).permutation(len(test))
        self._halves = [test.take(half) for half in np.array_split(order, 2)]
        self.given = self._tables(backbone, placed.attached)

    def fresh(self) -> tuple[Backbone, Attached]:
        """The trunk as it was given, with fresh heads."""
        backbone, placed = fresh_heads(self._network, self._heads, seed=self._common.seed, at=self._at)
        return backbone, placed.attached

    def train(self, settings: TrainSettings, samples: Samples | None = None) -> tuple[Attached, TrainReport, Backbone]:
        """Train fresh heads."""
        backbone, attached = self.fresh()
        data = self._train if samples is None else samples
        report = train_heads(attached, backbone.inputs, data, settings, self._stages)
        return attached, report, backbone

    def epochs_in(self, seconds: float, settings: TrainSettings) -> int:
        """How many epochs of frozen training fit into some seconds, at least one."""
        part = self._train.take(np.arange(max(64, len(self._train) // 10)))
        _, report, _ = self.train(replace(settings, epochs=1), part)
        scale = len(self._train) / len(part)
        features = scale * report.features_seconds
        epoch = scale * (report.seconds - report.features_seconds)
        return max(1, int((seconds - features) / epoch))

    def score(self, settings: TrainSettings, attached: Attached, report: TrainReport, backbone: Backbone) -> Any:
        """One way's entry of the result."""
        with self._stages.stage("answer the test images"):
            tune, test = self._tables(backbone, attached)
        return {
            "settings": settings,
            "images": report.samples,
            "finished_epochs": report.epochs,
            "interrupted": report.interrupted,
            "seconds": report.seconds,
            "features_seconds": report.features_seconds,
            "device": report.device,
            **scores(attached.attachment, tune, test, required=(1 - MAX_DROP) * accuracy(self.given[0], -1)),
        }

    def _tables(self, backbone: Backbone, attached: Attached) -> tuple[ExitTable, ExitTable]:
        tune, test = (exit_table(attached, backbone.inputs[0], half) for half in self._halves)
        return tune, test


def accuracy(table: ExitTable, exit_: int) -> float:
    """Share of the samples that an exit has right."""
    assert table.labels is not None
    return float((table.answers[:, exit_] == table.labels).mean())


def scores(attachment: Attachment, tune: ExitTable, test: ExitTable, *, required: float) -> dict[str, Any]:
    """Accuracy of every exit alone, and of the chain with thresholds that keep an accuracy on *tune*.

    Args:
        attachment: one head for each tap.
        tune: what thresholds are tuned on.
        test: what is reported.
        required: the accuracy to keep. Where the final exit itself has less, thresholds are tuned for its own.
    """
    costs = mac_costs(attachment)
    drop = max(0.0, 1 - required / accuracy(tune, -1))
    found = tune_thresholds(tune, costs, batch=1, max_drop=drop, agreement=False)
    result = replay(test, found.thresholds)
    return {
        "exits": [
            {"module": head.tap, "accuracy": accuracy(test, index)} for index, head in enumerate(attachment.heads)
        ],
        "accuracy_final": accuracy(test, -1),
        "final_keeps_accuracy": accuracy(tune, -1) >= required,
        "chain": {
            "thresholds": found.thresholds,
            "accuracy": result.accuracy,
            "reached": result.reached,
            "macs_of_trunk": MACS_A_MS * expected_batch_ms(costs, batch=1, reached=result.reached) / attachment.macs,
        },
    }


def measure(race: Race, common: TrainSettings, args: argparse.Namespace) -> dict[str, Any]:
    """Both ways."""
    joint = replace(common, mode="joint", target="labels", epochs=args.epochs, learning_rate=args.joint_rate)
    views = 1 if args.augmentation == "none" else args.views
    frozen = replace(common, target="labels", views=views)
    ways = {"joint": race.score(joint, *(trained := race.train(joint)))}
    frozen = replace(frozen, epochs=race.epochs_in(trained[1].seconds, frozen))
    ways["frozen"] = race.score(frozen, *race.train(frozen))
    return {
        "trunk": TRUNK[args.network],
        "heads": args.heads,
        "max_drop": MAX_DROP,
        "accuracy_given": accuracy(race.given[1], -1),
        "test_images": {"tune": race.given[0].samples, "reported": race.given[1].samples},
        "ways": ways,
        "exits_won_by": [
            winner(one["accuracy"], other["accuracy"])
            for one, other in zip(ways["joint"]["exits"], ways["frozen"]["exits"], strict=True)
        ],
    }


def winner(joint: float, frozen: float) -> str:
    """Who has more right."""
    return "neither" if joint == frozen else "joint" if joint > frozen else "frozen"


def show(result: dict[str, Any]) -> None:
    """One line for each way."""
    for name, way in result["ways"].items():
        cells = "".join(f"{exit_['accuracy']:8.2%}" for exit_ in way["exits"])
        chain = way["chain"]
        print(
            f"{name:7} {way['seconds']:6.0f} s, {way['finished_epochs']:3} epochs | exits{cells} | "
            f"final {way['accuracy_final']:.2%} | chain {chain['accuracy']:.2%} at {chain['macs_of_trunk']:.1%} of the "
            "trunk's multiply-accumulates"
        )


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("network", nargs="?", default=PLAIN[0], choices=PLAIN)
    parser.add_argument("--heads", default="strided(32)", help="one kind for every tap (default strided(32))")
    parser.add_argument("--samples", type=int, default=12000, help="training images (default 12000)")
    parser.add_argument("--epochs", type=int, default=4, help="of joint training (default 4)")
    parser.add_argument("--joint-rate", type=float, default=0.02, help="learning rate of joint training (default 0.02)")
    parser.add_argument("--augmentation", default="crop-flip", help="of both (default crop-flip)")
    parser.add_argument("--views", type=int, default=2, help="copies of each image in frozen training (default 2)")
    parser.add_argument("--train-precision", default="bfloat16", help="of both (default bfloat16)")
    parser.add_argument("--cache-gib", type=int, default=16, help="most GiB of features on disk (default 16)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and halves (default 0)")
    add_common_flags(parser)
    args = parser.parse_args()
    samples, test = args.samples, None
    if args.quick:
        samples, test, args.epochs = QUICK_IMAGES, QUICK_IMAGES, QUICK_EPOCHS
    common = TrainSettings(
        augmentation=args.augmentation,
        cache_bytes=args.cache_gib << 30,
        precision=args.train_precision,
        seed=args.seed,
    )
    with tempfile.TemporaryDirectory() as folder, ConsoleStages(verbose=True) as stages:
        network = plain_network(args.network, Path(folder), train=samples, test=test)
        result = measure(Race(network, args.heads, common, stages), common, args)
    show(result)
    write_figure("joint_or_frozen", args.network, result, args)


if __name__ == "__main__":
    main()
