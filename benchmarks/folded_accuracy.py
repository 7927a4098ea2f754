"""What folding costs in accuracy: a small CIFAR-10 network with folded by 2 and 4, with as many epochs.

    python benchmarks/folded_accuracy.py --data cifar10.npz

The unfolded network has three exits and learns the labels from nothing. Each folded network is trained by
`eecompile fold` with it as the teacher, for as many epochs on the same images: with the defaults, and as published
(distillation alone, from random weights, which `--alpha 1 --separate 0` asks for). Accuracy is of test images that no
training saw, in rows of random partners, several deals of them. That folded networks learn from a trained teacher, and
the unfolded one does not, is in their favour. Without `--data` the images beside the checkout are taken.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figure_result import add_common_flags, write_figure
from benchmarks.networks import NETWORKS
from benchmarks.small_cifar import EXITS, train_small
from eecompile.checkpoint import build_module, load_checkpoint
from eecompile.cli.stages import ConsoleStages
from eecompile.fold_training import FoldTrainSettings
from eecompile.fold_training.fold import fold
from eerun.folding import to_rows

FACTORY = "benchmarks.small_cifar:make_small"
DEALS = 5
WAYS: dict[str, dict[str, Any]] = {"default": {}, "as published": {"alpha": 1.0, "separate": 0.0}}
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


def measure(args: argparse.Namespace, folder: Path, factors: Sequence[int]) -> dict[str, Any]:
    """Train everything, and look at the test images."""
    source = args.data or NETWORKS["resnet56_3"].data(folder)
    with np.load(source) as arrays:
        x, y, x_test, y_test = (arrays[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    images, epochs = (QUICK_IMAGES, QUICK_EPOCHS) if args.quick else (args.images, args.epochs)
    taken = np.random.default_rng(args.seed).permutation(len(x))[:images]
    shown = slice(None, QUICK_IMAGES if args.quick else None)
    x_test, y_test = x_test[shown], y_test[shown]
    data, model = folder / "small.npz", folder / "small.pt"
    np.savez(data, x_train=x[taken], y_train=y[taken], x_test=x_test, y_test=y_test)
    started = perf_counter()
    train_small(x[taken], y[taken].astype(np.int64), model, epochs=epochs, seed=args.seed, tell=print)
    teacher = answers_of(model, x_test)
    found: dict[str, Any] = {
        "images": images,
        "epochs": epochs,
        "test_images": len(x_test),
        "unfolded": {
            "accuracy": (teacher == y_test[:, None]).mean(axis=0).tolist(),
            "seconds": perf_counter() - started,
        },
    }
    for factor in factors:
        for name, changed in WAYS.items():
            settings = FoldTrainSettings(
                factor=factor, data=str(data), factory=FACTORY, epochs=epochs, seed=args.seed, **changed
            )
            file = folder / f"small-{factor}-{name.replace(' ', '-')}.pt"
            with ConsoleStages(verbose=False) as stages:
                report = fold(model, file, settings, stages, resume=False)
            entry = {"settings": settings, "seconds": report.seconds, "best_epoch": report.best_epoch}
            entry |= quality(file, x_test, y_test, teacher)
            found[f"folded by {factor}, {name}"] = entry
            print(f"folded by {factor}, {name}: {[f'{share:.2%}' for share in entry['accuracy']]}")
    print(f"unfolded: {[f'{share:.2%}' for share in found['unfolded']['accuracy']]}")
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
        found = measure(args, Path(folder), [int(word) for word in args.fold.split(",")])
    write_figure("folded_accuracy", "small_cifar", found, args)


if __name__ == "__main__":
    main()
