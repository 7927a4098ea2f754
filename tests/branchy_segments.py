"""The zoo's BranchyCNN, exported with three exits, and its segments with scores."""

from functools import cache

import numpy as np
import onnx_ir as ir
import torch
from policy_examples import policy_example

from eecompile.ingest.export_module import export_module
from eecompile.ingest.optimise import optimise
from eecompile.input_info import InputInfo
from eecompile.passes import prepend_input_conversion
from eecompile.split import Split, split_model
from eecompile.zoo import lookup

EXITS = ("early", "middle", "final")
IMAGE = (2, 8, 8)
CLASSES = 5


def branchy_samples(count: int, seed: int) -> np.ndarray:
    """Raw images `[count, 2, 8, 8] uint8`."""
    return np.random.default_rng(seed).integers(0, 256, (count, *IMAGE), dtype=np.uint8)


@cache
def _exported() -> ir.Model:
    torch.manual_seed(0)
    module = lookup("branchy_cnn")(channels=[6, 8, 10], classes=CLASSES, in_channels=2)
    with torch.no_grad():
        for _ in range(3):
            module(torch.rand(16, *IMAGE))
    model = export_module(module.eval(), (torch.zeros(2, *IMAGE),), inputs=["image"], exits=EXITS, where="branchy_cnn")
    optimise(model)
    raw = InputInfo(
        name="image", shape=IMAGE, dtype="uint8", layout="NCHW", scale=1 / 255, mean=(0.4, 0.5), std=(0.2, 0.3)
    )
    prepend_input_conversion(model, [raw])
    return model


def branchy_split(policy: str) -> Split:
    """Fresh segments: uint8 images in, normalised in the graph."""
    fitted = policy_example(policy, exits=len(EXITS), classes=CLASSES)
    return split_model(_exported().clone(), EXITS, {"image": branchy_samples(3, seed=1)}, fitted)
