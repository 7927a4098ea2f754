"""What folding costs in accuracy: a small CIFAR-10 network, folded by 2 and 4, with as many epochs.

    python benchmarks/folded_accuracy.py --data cifar10.npz

The unfolded network has three exits and learns the labels from nothing. Each folded network is trained by
`eecompile fold` with it as the teacher, for as many epochs and steps on the same images: with images kept apart at
first (`--separate`), and by distillation alone from random weights, as FoldedCNNs' CIFAR networks were
(`--alpha 1 --separate 0`; optimiser, schedule and rounding of widths are still this project's). Two rivals say what a
folded network owes to being wider, and what to its teacher: an unfolded network with the channels that a folded one has
for each image (its widths divided by f), and the unfolded one once more, both with the same teacher and loss. Accuracy
is of test images that no training saw, in rows of random partners, several deals of them. Without `--data` the images
beside the checkout are taken.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figure_result import add_common_flags, write_figure
from benchmarks.networks import NETWORKS
from benchmarks.small_cifar import EXITS, WIDTHS, train_small
from eecompile.checkpoint import build_module, load_checkpoint
from eecompile.cli.stages import ConsoleStages
from eecompile.fold import FoldSpec
from eecompile.fold_training import FoldTrainSettings
from eecompile.fold_training.fold import fold
from eerun.folding import to_rows

FACTORY = "benchmarks.small_cifar:make_small"
DEALS = 5
WAYS: dict[str, dict[str, Any]] = {
    "apart at first": {},
    "distillation alone, random start": {"alpha": 1.0, "separate": 0.0},
}
BATCH = 64
"""Images a step, of every training."""
TOGETHER = 256
QUICK_IMAGES, QUICK_EPOCHS = 400, 1


def answers_of(file: Path, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """What every exit answers, `[images, exits]`; images next to each other share a row."""
    checkpoint = load_checkpoint(file)
    module, (described,) = build_module(checkpoint, FACTORY), checkpoint.inputs
    mean, std = (np.reshape(values or 0, (-1, 1, 1)).astype(np.float32) for values in (described.mean, described.std))
    said = []
    for start in range(0, len(images), TOGETHER):
        x = (images[start : start + TOGETHER].astype(np.float32) * np.float32(described.scale or 1) - mean) / std
        given = torch.from_numpy(x if checkpoint.fold == 1 else to_rows(x, checkpoint.fold))
        with torch.no_grad():
            logits = [each.reshape(-1, each.shape[-1])[: len(x)] for each in module(given)]
        said.append(np.stack([each.argmax(1).numpy() for each in logits], axis=1))
    return np.concatenate(said)


def quality(file: Path, images: NDArray[np.uint8], labels: NDArray[np.int64], teacher: NDArray[np.int64]) -> Any:
    """Accuracy of every exit over several deals of partners, and how alike the deals are."""
    deals, random = [], np.random.default_rng(0)
    for _ in range(DEALS):
        order = random.permutation(len(images))
        said = np.empty_like(teacher)
        said[order] = answers_of(file, images[order])
        deals.append(said)
    right = np.array([[float((said[:, exit_] == labels).mean()) for exit_ in range(len(EXITS))] for said in deals])
    same = np.all([said == deals[0] for said in deals], axis=0)
    return {
        "accuracy": right.mean(axis=0).tolist(),
        "least_and_most_of_deals": [right.min(axis=0).tolist(), right.max(axis=0).tolist()],
        "agreement_with_unfolded": np.mean([said == teacher for said in deals], axis=(0, 1)).tolist(),
        "same_answer_in_all_deals": same.mean(axis=0).tolist(),
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """What all trainings share.

    Attributes:
        folder: where checkpoints are written.
        data: `.npz` with all images.
        x: training images.
        y: their labels.
        x_test: images that no training sees.
        y_test: their labels.
        epochs: of every training.
        seed: of weights and order.
    """

    folder: Path
    data: Path
    x: NDArray[np.uint8]
    y: NDArray[np.int64]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]
    epochs: int
    seed: int

    def unfolded(self, name: str, widths: Sequence[int], teacher: Path | None) -> tuple[Path, dict[str, Any]]:
        """Train an unfolded network; return its checkpoint and its entry of the result."""
        file, started = self.folder / f"{name}.pt", perf_counter()
        module = None if teacher is None else build_module(load_checkpoint(teacher), FACTORY)
        train_small(self.x, self.y, file, widths=widths, teacher=module, epochs=self.epochs, seed=self.seed, tell=print)
        seconds = perf_counter() - started
        right = (answers_of(file, self.x_test) == self.y_test[:, None]).mean(axis=0)
        return file, {"widths": list(widths), "seconds": seconds, "accuracy": right.tolist()}

    def folded(self, model: Path, factor: int, changed: dict[str, Any]) -> dict[str, Any]:
        """Train a folded network; return its entry of the result."""
        settings = FoldTrainSettings(
            factor=factor,
            data=str(self.data),
            factory=FACTORY,
            epochs=self.epochs,
            batch=BATCH,
            seed=self.seed,
            **changed,
        )
        file = self.folder / "folded.pt"
        with ConsoleStages(verbose=False) as stages:
            report = fold(model, file, settings, stages, resume=False)
        kept = replace(settings, data=None)
        entry = {"settings": kept, "seconds": report.seconds, "best_epoch": report.best_epoch}
        return entry | quality(file, self.x_test, self.y_test, answers_of(model, self.x_test))


def field_of(args: argparse.Namespace, folder: Path) -> Field:
    """Choose the images."""
    source = args.data or NETWORKS["resnet56_3"].data(folder)
    with np.load(source) as arrays:
        x, y, x_test, y_test = (arrays[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    images, epochs = (QUICK_IMAGES, QUICK_EPOCHS) if args.quick else (args.images, args.epochs)
    taken = np.random.default_rng(args.seed).permutation(len(x))[:images]
    shown = slice(None, QUICK_IMAGES if args.quick else None)
    x, y, x_test, y_test = x[taken], y[taken].astype(np.int64), x_test[shown], y_test[shown].astype(np.int64)
    data = folder / "small.npz"
    np.savez(data, x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    return Field(folder=folder, data=data, x=x, y=y, x_test=x_test, y_test=y_test, epochs=epochs, seed=args.seed)


def measure(field: Field, factors: Sequence[int]) -> dict[str, Any]:
    """Train everything, and look at the test images."""
    found: dict[str, Any] = {
        "images": len(field.x),
        "epochs": field.epochs,
        "test_images": len(field.x_test),
    }

    def tell(name: str, entry: dict[str, Any]) -> None:
        found[name] = entry
        print(f"{name}: {[f'{share:.2%}' for share in entry['accuracy']]}")

    model, entry = field.unfolded("small", WIDTHS, None)
    tell("unfolded", entry)
    tell("unfolded, distilled", field.unfolded("again", WIDTHS, model)[1])
    for factor in factors:
        thin = [FoldSpec(factor).width(width, {}) // factor for width in WIDTHS]
        tell(f"unfolded, thin as by {factor}, distilled", field.unfolded(f"thin-{factor}", thin, model)[1])
        for name, changed in WAYS.items():
            tell(f"folded by {factor}, {name}", field.folded(model, factor, changed))
    return found


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help=".npz with x_train, y_train, x_test, y_test")
    parser.add_argument("--images", type=int, default=15_000, help="training images")
    parser.add_argument("--epochs", type=int, default=10, help="of every training")
    parser.add_argument("--fold", default="2,4", help="fold factors")
    parser.add_argument("--seed", type=int, default=0, help="of weights and order")
    add_common_flags(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(field_of(args, Path(folder)), [int(word) for word in args.fold.split(",")])
    write_figure("folded_accuracy", "small_cifar", found, args)


if __name__ == "__main__":
    main()
