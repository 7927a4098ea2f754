"""Train an encoder without exits on texts; writes `backbone.pt` and `model.npz` beside this file.

python train.py [--data FOLDER | docstrings] [--layers N] [--width N] [--epochs N] [--seed N]

FOLDER has SST-2: `train.tsv`, `dev.tsv` and `test.tsv`. Without it texts are docstrings of installed packages.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from texts import SST2, load_texts
from torch import Tensor, nn
from torch.nn import functional
from vocabulary import PAD, build_vocabulary, encode

from eecompile.checkpoint import Checkpoint, save_checkpoint
from eecompile.input_info import InputInfo
from eecompile.zoo import lookup

HERE = Path(__file__).parent
DOCSTRINGS = "docstrings"

ARCH = "bert_encoder"
LONGEST = 64
MOST_WORDS = 8000
HEAD_WIDTH = 16
WIDE = 128
BATCH = 64
POOL = 16
"""So many batches are drawn together and sorted by length, so that texts of one batch need little padding."""
PEAK_LEARNING_RATE = 1e-3

Labels = NDArray[np.int64]


def batches(lengths: Tensor, order: torch.Generator) -> Iterator[Tensor]:
    """Yield the indices of all texts in random batches of similar lengths."""
    for pool in torch.randperm(len(lengths), generator=order).split(BATCH * POOL):
        parts = pool[lengths[pool].argsort()].split(BATCH)
        for index in torch.randperm(len(parts), generator=order).tolist():
            yield parts[index]


def train(model: nn.Module, arrays: dict[str, NDArray[np.int64]], labels: Labels, *, epochs: int, seed: int) -> None:
    """Train by cross entropy; each batch is as long as its longest text."""
    ids, mask = torch.from_numpy(arrays["input_ids"]), torch.from_numpy(arrays["attention_mask"])
    wanted, lengths = torch.from_numpy(labels), mask.sum(1)
    order = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    steps = epochs * sum(-(-len(pool) // BATCH) for pool in torch.arange(len(ids)).split(BATCH * POOL))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LEARNING_RATE, steps)
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for index in batches(lengths, order):
            longest = int(lengths[index].max())
            loss = functional.cross_entropy(model(ids[index, :longest], mask[index, :longest]), wanted[index])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += loss.item() * len(index)
        print(f"epoch {epoch + 1}/{epochs}: loss {total / len(ids):.3f}", flush=True)


@torch.no_grad()
def accuracy(model: nn.Module, arrays: dict[str, NDArray[np.int64]], labels: Labels) -> float:
    """Return the share of right answers."""
    model.eval()
    pairs = zip(*(torch.from_numpy(array).split(256) for array in arrays.values()), strict=True)
    answers = torch.cat([model(ids, mask).argmax(1) for ids, mask in pairs])
    return float((answers.numpy() == labels).mean())


def raw_inputs(words: int) -> tuple[InputInfo, InputInfo]:
    """What the network is given: axis 0 of a sample is its length, of which `LONGEST` is the greatest."""
    kind = {"shape": (LONGEST,), "dtype": "int64", "sequence": 0, "pad": PAD}
    return (
        InputInfo(name="input_ids", range=(0, words - 1), **kind),
        InputInfo(name="attention_mask", range=(0, 1), **kind),
    )


def data_folder(given: str | None) -> Path | None:
    """Return the folder of SST-2: what was given, or where it lies beside the checkout; None: the docstrings."""
    if given is None:
        return SST2 if SST2.is_dir() else None
    return None if given == DOCSTRINGS else Path(given)


def parse_arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", help="folder of SST-2, or docstrings; default: SST-2 where it is there")
    parser.add_argument("--layers", type=int, default=6, help="encoder layers (default: 6)")
    parser.add_argument("--width", type=int, default=64, help="of a word, a multiple of 16 (default: 64)")
    parser.add_argument("--epochs", type=int, default=6, help="passes over the training texts (default: 6)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights, the order and the split (default: 0)")
    return parser.parse_args()


def main() -> None:
    """Train, print the accuracy, and write the checkpoint and the data."""
    arguments = parse_arguments()
    if arguments.width < WIDE:
        torch.set_num_threads(1)  # layers are so small that threads would wait for each other
    torch.manual_seed(arguments.seed)
    texts = load_texts(data_folder(arguments.data), seed=arguments.seed)
    vocabulary = build_vocabulary((text for text, _ in texts.train), most=MOST_WORDS)
    words = max(vocabulary.values()) + 1
    arrays, labels = {}, {}
    for split, pairs in (("train", texts.train), ("test", texts.test)):
        arrays[split] = encode([text for text, _ in pairs], vocabulary, length=LONGEST)
        labels[split] = np.array([label for _, label in pairs])
        shares = np.bincount(labels[split], minlength=len(texts.classes)) / len(pairs)
        balance = ", ".join(f"{name} {share:.0%}" for name, share in zip(texts.classes, shares, strict=True))
        print(f"{split}: {len(pairs)} texts of {texts.source}: {balance}")
    kwargs = {
        "vocabulary": words,
        "classes": len(texts.classes),
        "layers": arguments.layers,
        "width": arguments.width,
        "heads": arguments.width // HEAD_WIDTH,
        "feed_forward": 4 * arguments.width,
        "max_length": LONGEST,
    }
    model = lookup(ARCH)(**kwargs)
    train(model, arrays["train"], labels["train"], epochs=arguments.epochs, seed=arguments.seed)
    reached = accuracy(model, arrays["test"], labels["test"])
    print(f"{reached:.1%} of the test texts right")
    checkpoint = Checkpoint(
        arch=ARCH,
        arch_kwargs=kwargs,
        state_dict=model.state_dict(),
        exits=("final",),
        inputs=raw_inputs(words),
        task="classification",
        classes=texts.classes,
        meta={"data": texts.source, "epochs": arguments.epochs, "accuracy": reached},
    )
    save_checkpoint(HERE / "backbone.pt", checkpoint)
    stored = {f"{name}_{split}": array for split, found in arrays.items() for name, array in found.items()}
    stored |= {f"y_{split}": array for split, array in labels.items()}
    np.savez_compressed(HERE / "model.npz", classes=np.array(texts.classes), **stored)
    print("wrote backbone.pt and model.npz")


if __name__ == "__main__":
    main()
