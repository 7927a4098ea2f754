"""What every head says about every sample, in torch and float32, from one pass through the trunk."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from eecompile.attach.attached import Attached
from eecompile.input_info import InputInfo
from eecompile.network_values import network_values
from eerun.data import Samples

__all__ = ["record_heads"]

BATCH = 256


def record_heads(
    module: Attached, infos: Sequence[InputInfo], samples: Samples, progress: Callable[[float], None]
) -> NDArray[np.float32]:
    """Return the logits of all heads, in their order, and of the final exit, `[samples, heads + 1, classes]`.

    The trunk runs once for a batch; its features go to all heads and are not kept.

    Args:
        module: the network, in evaluation mode.
        infos: its inputs, in order.
        samples: raw.
        progress: called with the share that is done.
    """
    names = [head.name for head in module.attachment.heads]
    (classes,) = module.attachment.output
    logits = np.empty((len(samples), len(names) + 1, classes), np.float32)
    with torch.no_grad():
        for start in range(0, len(samples), BATCH):
            rows = slice(start, start + BATCH)
            values = [torch.from_numpy(network_values(info, samples.inputs[info.name][rows])) for info in infos]
            features, final = module.features(*values)
            found = module.candidates(features)
            logits[rows] = torch.stack([*(found[name] for name in names), final], 1).numpy()
            progress(min(1.0, (start + BATCH) / len(samples)))
    return logits
