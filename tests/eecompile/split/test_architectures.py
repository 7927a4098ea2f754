"""Networks of the kinds that people train: the chain answers like the module, and crosses where one would expect."""

import warnings

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import nn
from torch.nn import functional

from eecompile.split import split_model
from eengines.backends import load_backend
from eengines.tensors import TensorSpec
from eerun.costs import CostTable
from eerun.executor import Chain, ChainExecutor, ChainSegment, load_chain
from eerun.policies import policy_by_name

TOLERANCE = 1e-4
CLASSES = 5


class DenseNet(nn.Module):
    """Two dense blocks: each layer reads everything before it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3 + 4 * i, 4, 3, padding=1) for i in range(4))
        self.heads = nn.ModuleList(nn.Linear(3 + 4 * (2 * k + 2), CLASSES) for k in range(2))

    def forward(self, x):
        exits = []
        for index, layer in enumerate(self.layers):
            x = torch.cat([x, functional.relu(layer(x))], 1)
            if index % 2:
                exits.append(self.heads[index // 2](x.mean((2, 3))))
        return tuple(exits)


class MultiScale(nn.Module):
    """Two scales side by side, as in MSDNet; exits read the coarse one, both go on."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.ModuleList(nn.Conv2d(3 if i == 0 else 4, 4, 3, padding=1) for i in range(3))
        self.coarse = nn.ModuleList(nn.Conv2d(4 if i == 0 else 12, 8, 3, padding=1) for i in range(3))
        self.heads = nn.ModuleList(nn.Linear(8, CLASSES) for _ in range(3))

    def forward(self, x):
        exits, low = [], None
        for fine, coarse, head in zip(self.fine, self.coarse, self.heads, strict=True):
            x = functional.relu(fine(x))
            down = functional.max_pool2d(x, 2)
            low = functional.relu(coarse(down if low is None else torch.cat([low, down], 1)))
            exits.append(head(low.mean((2, 3))))
        return tuple(exits)


class Encoder(nn.Module):
    """A transformer encoder: every layer reads the attention mask; every exit reads the first token."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.place = nn.Parameter(torch.randn(6, 16))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True) for _ in range(3)
        )
        self.heads = nn.ModuleList(nn.Linear(16, CLASSES) for _ in range(3))

    def forward(self, ids, mask):
        x = self.embed(ids) + self.place
        padding = mask == 0
        exits = []
        for layer, head in zip(self.layers, self.heads, strict=True):
            x = layer(x, src_key_padding_mask=padding)
            exits.append(head(x[:, 0]))
        return tuple(exits)


def images(batch):
    return (torch.randn(batch, 3, 8, 8, generator=torch.Generator().manual_seed(batch)),)


def tokens(batch):
    generator = torch.Generator().manual_seed(batch)
    ids = torch.randint(0, 20, (batch, 6), generator=generator)
    length = torch.randint(1, 7, (batch, 1), generator=generator)
    return ids, (torch.arange(6) < length).long()


def export(module, inputs, names):
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            inputs,
            dynamo=True,
            verbose=False,
            input_names=names,
            dynamic_shapes=tuple({0: batch} for _ in inputs),
        )
    return ir.from_proto(ir.to_proto(program.model))


@pytest.fixture(scope="module", params=["densenet", "multiscale", "encoder"])
def network(request):
    torch.manual_seed(0)
    module = {"densenet": DenseNet, "multiscale": MultiScale, "encoder": Encoder}[request.param]().eval()
    make = tokens if request.param == "encoder" else images
    names = ["ids", "mask"] if request.param == "encoder" else ["x"]
    return request.param, module, make, names, export(module, make(3), names)


def executor_of(split, names, inputs, exits):
    chain = load_chain(
        Chain(
            inputs=tuple(
                TensorSpec(name=n, dtype=str(a.numpy().dtype), shape=tuple(a.shape[1:]))
                for n, a in zip(names, inputs, strict=True)
            ),
            segments=tuple(
                ChainSegment(graph=ir.to_proto(s.model).SerializeToString(), logits=s.logits, score=s.score)
                for s in split.segments
            ),
        ),
        load_backend("onnxruntime"),
        threads=2,
    )
    costs = CostTable(
        engine="onnxruntime",
        precision="float32",
        device="test",
        buckets=(1, 2, 4),
        segment_ms=((0.5, 0.8, 1.0),) * exits,
        whole_ms=(1.0, 1.0, 1.0),
        move_ms=(0.0,) * (exits - 1),
    )
    return ChainExecutor(chain, costs), chain


def test_chain_equals_module_and_crosses_as_expected(network):
    name, module, make, names, model = network
    exits = len(model.graph.outputs)
    probe = {n: a.numpy() for n, a in zip(names, make(3), strict=True)}

    split = split_model(model, [f"exit {k}" for k in range(exits)], probe, policy_by_name("patience"))
    executor, chain = executor_of(split, names, make(3), exits)

    for batch in (1, 3, 4):
        tensors = make(batch)
        with torch.no_grad():
            expected = torch.stack(module(*tensors), 1).numpy()
        logits, _ = executor.record({n: a.numpy() for n, a in zip(names, tensors, strict=True)})
        assert np.abs(logits - expected).max() < TOLERANCE
    placed = [operation for segment in split.plan.segments for operation in segment.operations]
    assert len(placed) == len(set(placed))
    shapes = [sorted(chain.buffer(v).shape[1:] for v in values if "state" not in v) for values in chain.crossing]
    assert shapes[0] == {
        "densenet": [(11, 8, 8)],
        "multiscale": [(4, 8, 8), (8, 4, 4)],
        "encoder": [(6,), (6, 16)],
    }[name] or (name == "encoder" and (6, 16) in shapes[0] and len(shapes[0]) == 2)
