"""Small networks for texts with exits: token ids and an attention mask go in, and padding must not matter."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from eecompile.checkpoint import Checkpoint, save_checkpoint
from eecompile.input_info import InputInfo

WORDS, WIDTH, HEADS, LONGEST, CLASSES = 40, 16, 2, 24, 3
ONNX_LONGEST = 20
FITTED_ON = 500
BEGIN = 1
"""The token in front of every text, which exits read."""


class Layer(nn.Module):
    """Attention over the tokens that are there, then two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        batch, length = x.shape[:2]
        parts = self.mix(x).view(batch, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        scores = parts[0] @ parts[1].transpose(-1, -2) / (WIDTH // HEADS) ** 0.5 + hidden
        mixed = (scores.softmax(-1) @ parts[2]).transpose(1, 2).reshape(batch, length, WIDTH)
        x = self.norms[0](x + self.out(mixed))
        return self.norms[1](x + self.narrow(torch.relu(self.wide(x))))


class Encoder(nn.Module):
    """Three layers with an exit each. `masked=False` attends to padding, too, as a careless network does."""

    def __init__(self, masked: bool = True, layers: int = 3) -> None:
        super().__init__()
        self.masked = masked
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Parameter(torch.randn(LONGEST, WIDTH) / 4)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))
        self.exits = nn.ModuleList(nn.Linear(WIDTH, CLASSES) for _ in range(layers))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        x = self.words(input_ids) + self.places[: input_ids.shape[1]]
        hidden = (1.0 - attention_mask.float())[:, None, None, :] * (-1e9 if self.masked else 0.0)
        exits = []
        for layer, head in zip(self.layers, self.exits, strict=True):
            x = layer(x, hidden)
            exits.append(head(x[:, 0]))
        return tuple(exits)


def make_encoder(masked: bool = True, layers: int = 3) -> nn.Module:
    """What `--factory text_networks:make_encoder` calls."""
    return Encoder(masked, layers)


def text_inputs() -> tuple[InputInfo, InputInfo]:
    """The raw inputs of the encoder."""
    kind = {"shape": (LONGEST,), "dtype": "int64", "sequence": 0}
    return (
        InputInfo(name="input_ids", range=(0, WORDS - 1), **kind),
        InputInfo(name="attention_mask", range=(0, 1), **kind),
    )


def draw_texts(count: int, *, seed: int, longest: int = LONGEST) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Texts of 1 to `longest` tokens and their labels: which third of the words is the most frequent."""
    random = np.random.default_rng(seed)
    lengths = 1 + random.geometric(0.15, count).clip(max=longest - 1) if longest > 1 else np.ones(count, np.int64)
    labels = random.integers(0, CLASSES, count)
    share = random.uniform(0.4, 1.0, (count, 1))
    third = np.where(
        random.random((count, longest)) < share, labels[:, None], random.integers(0, CLASSES, (count, longest))
    )
    words = 2 + third * 12 + random.integers(0, 12, (count, longest))
    mask = np.arange(longest) < lengths[:, None]
    words[:, 0] = BEGIN
    return {"input_ids": np.where(mask, words, 0), "attention_mask": mask.astype(np.int64)}, labels


def fitted_encoder(*, seed: int, **network: object) -> nn.Module:
    """An encoder with random layers, whose exits are fitted to texts by least squares."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        module = make_encoder(**network).eval()  # type: ignore[arg-type]  # as the factory is called
        arrays, labels = draw_texts(FITTED_ON, seed=seed)
        seen: list[Tensor] = []
        hooks = [head.register_forward_pre_hook(lambda _, given: seen.append(given[0])) for head in module.exits]
        module(*(torch.from_numpy(array) for array in arrays.values()))
        for head, features, hook in zip(module.exits, seen, hooks, strict=True):
            hook.remove()
            wide = torch.cat([features, torch.ones(FITTED_ON, 1)], 1)
            wanted = 4 * nn.functional.one_hot(torch.from_numpy(labels)).float()
            found = torch.linalg.solve(wide.T @ wide + torch.eye(WIDTH + 1), wide.T @ wanted)
            head.weight.copy_(found[:-1].T)
            head.bias.copy_(found[-1])
    return module


def write_encoder(folder: Path, *, samples: int, seed: int = 0, **network: object) -> Path:
    """Write `net.pt` and its texts, `net.npz`, into a folder; return the first."""
    module = fitted_encoder(seed=seed, **network)
    checkpoint = Checkpoint(
        arch=None,
        arch_kwargs=dict(network),
        state_dict=module.state_dict(),
        exits=tuple(f"layer_{index}" for index in range(len(module.exits))),
        inputs=text_inputs(),
        task="classification",
        classes=None,
    )
    save_checkpoint(folder / "net.pt", checkpoint)
    arrays, labels = draw_texts(samples, seed=10_000 + seed)
    np.savez(folder / "net.npz", **arrays, y=labels)
    return folder / "net.pt"


def text_graph(shapes: tuple[list[object], list[object]] = (["N", "T"], ["N", "T"])) -> onnx.ModelProto:
    """Two exits, each of a masked mean: of the words, and of a layer on top of them.

    Args:
        shapes: of the two inputs, batch and length.
    """
    random = np.random.default_rng(0)
    steps = [
        ("Cast", "attention_mask", "there", {"to": TensorProto.FLOAT}),
        ("Unsqueeze", "there last", "wide", {}),
        ("ReduceSum", "wide one", "count", {"keepdims": 0}),
        ("Gather", "table input_ids", "words", {}),
        ("Mul", "words wide", "words_there", {}),
        ("MatMul", "words layer", "mixed", {}),
        ("Tanh", "mixed", "deep", {}),
        ("Mul", "deep wide", "deep_there", {}),
    ]
    for name, head in (("words", "early"), ("deep", "final")):
        steps += [
            ("ReduceSum", f"{name}_there one", f"{name}_sum", {"keepdims": 0}),
            ("Div", f"{name}_sum count", f"{name}_mean", {}),
            ("MatMul", f"{name}_mean {head}_weight", head, {}),
        ]
    weights = {"table": (WORDS, 8), "layer": (8, 8), "early_weight": (8, CLASSES), "final_weight": (8, CLASSES)}
    graph = helper.make_graph(
        [helper.make_node(op, inputs.split(), [output], name=output, **more) for op, inputs, output, more in steps],
        "texts",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, shape)
            for name, shape in zip(("input_ids", "attention_mask"), shapes, strict=True)
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", CLASSES]) for name in ("early", "final")],
        [
            *(
                numpy_helper.from_array(random.standard_normal(shape, np.float32), name)
                for name, shape in weights.items()
            ),
            numpy_helper.from_array(np.array([-1]), "last"),
            numpy_helper.from_array(np.array([1]), "one"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
