"""Fresh heads on a plain network, and how samples that training never saw are answered."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.plain_networks import PlainNetwork
from eecalib.exit_table import ExitTable
from eecompile.attach.attach import watch_backbone
from eecompile.attach.attached import Attached
from eecompile.attach.attachment import FINAL
from eecompile.attach.backbone import Backbone, load_backbone
from eecompile.attach.find_taps import find_taps
from eecompile.attach.place_heads import Placed, place_heads
from eecompile.attach.settings import AttachSettings
from eecompile.checkpoint import Checkpoint
from eecompile.heads import parse_heads
from eecompile.input_info import InputInfo
from eecompile.network_values import network_values
from eerun.data import Samples

__all__ = ["all_answers", "as_checkpoint", "exit_table", "fresh_heads", "scores_of"]

BATCH = 256


def fresh_heads(
    network: PlainNetwork, heads: str, *, seed: int, at: tuple[str, ...] | None = None
) -> tuple[Backbone, Placed]:
    """Put every kind of head on every tap that it fits.

    Args:
        network: what `plain_network` wrote.
        heads: as `eecompile attach --heads` takes them.
        seed: of the weights.
        at: names of taps; None: all that are found.
    """
    where = str(network.model)
    backbone = load_backbone(where, AttachSettings(factory=network.factory))
    watched = watch_backbone(backbone, where=where)
    found = find_taps(watched, at, None, where=where)
    return backbone, place_heads(watched, found, parse_heads(heads), named=at is not None, seed=seed)


def as_checkpoint(backbone: Backbone, attached: Attached) -> Checkpoint:
    """A checkpoint of the network with its chosen heads as exits."""
    return Checkpoint(
        arch=None,
        arch_kwargs=backbone.arch_kwargs,
        state_dict=attached.state_dict(),
        exits=attached.attachment.exits,
        inputs=backbone.inputs,
        task="classification",
        classes=backbone.classes,
        attached=attached.attachment,
    )


def all_answers(attached: Attached, info: InputInfo, samples: Samples) -> dict[str, NDArray[np.int64]]:
    """What every candidate and the trunk (`final`) answer, `[samples] int64` by name, in torch and float32.

    Args:
        attached: in evaluation mode.
        info: its only input.
        samples: raw.
    """
    parts: dict[str, list[NDArray[np.int64]]] = {}
    with torch.no_grad():
        for values in _batches(info, samples):
            features, final = attached.features(values)
            for name, logits in {**attached.candidates(features), FINAL: final}.items():
                parts.setdefault(name, []).append(logits.argmax(1).numpy())
    return {name: np.concatenate(found) for name, found in parts.items()}


def exit_table(attached: Attached, info: InputInfo, samples: Samples) -> ExitTable:
    """What every head and the trunk say, in torch and float32; the score is max-probability.

    Args:
        attached: in evaluation mode, with one head a tap.
        info: its only input.
        samples: raw.
    """
    scores, answers = [], []
    with torch.no_grad():
        for values in _batches(info, samples):
            features, final = attached.features(values)
            logits = torch.stack([*attached.candidates(features).values(), final], 1)
            scores.append(logits.softmax(2).amax(2).numpy())
            answers.append(logits.argmax(2).numpy())
    return ExitTable(scores=np.concatenate(scores), answers=np.concatenate(answers), labels=samples.labels)


def scores_of(answers: dict[str, NDArray[np.int64]], samples: Samples) -> dict[str, dict[str, float]]:
    """Of every exit the share of samples that it answers as the trunk does (`agreement`), and as labelled."""
    assert samples.labels is not None
    final = answers[FINAL]
    return {
        name: {"agreement": float((found == final).mean()), "accuracy": float((found == samples.labels).mean())}
        for name, found in answers.items()
    }


def _batches(info: InputInfo, samples: Samples) -> Iterator[torch.Tensor]:
    array = samples.inputs[info.name]
    for start in range(0, len(array), BATCH):
        yield torch.from_numpy(network_values(info, array[start : start + BATCH]))
