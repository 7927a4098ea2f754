"""Places for heads, and small trunks with one head of every kind that fits: each is made and exported once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import AttachedHead, Attachment
from eecompile.heads import parse_heads
from eecompile.heads.base import HeadContext, HeadKind, OwnHead, SharedModules, Tap
from eecompile.ingest.export_module import export_module
from eecompile.ingest.graph_contract import finish_graph
from eecompile.ingest.optimise import optimise

CLASSES, IMAGE, TOKENS, WORDS = 4, (3, 16, 16), 6, 20

HEADS_FOR_IMAGES = (
    "fc(24),pool(size=96,hidden=16),conv,strided(8),conv3,bof(16,8),bof(16,8,8),linear(2),simple,remainder"
)
HEADS_FOR_TEXT = "pooler,remainder"
HEADS_FOR_SCENES = "linear,simple,remainder,deconv(8)"


def place(shape: Sequence[int], *, later=(), output=(10,), own_head=None, shared=None) -> HeadContext:
    """A tap of this shape; `later` are shapes of the taps behind it."""
    taps = [Tap(name=f"tap_{index}", shape=tuple(s), macs=index) for index, s in enumerate([shape, *later])]
    return HeadContext(
        tap=taps[0],
        later=tuple(taps[1:]),
        output=tuple(output),
        own_head=own_head,
        shared=shared or SharedModules(),
    )


@pytest.fixture(name="place", scope="session")
def place_fixture():
    """See `place`."""
    return place


def parameters(module: nn.Module) -> int:
    """Number of weights, shared ones once."""
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(name="parameters", scope="session")
def parameters_fixture():
    """See `parameters`."""
    return parameters


class Images(nn.Module):
    """Eleven small blocks in three stages, 8 × 16², 16 × 8² and 32 × 4²; mean over the map; linear layer."""

    def __init__(self) -> None:
        super().__init__()
        widths = [8, 8, 8, 16, 16, 16, 16, 32, 32, 32, 32]
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, stride=2 if 3 < before < after else 1, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            )
            for before, after in zip([3, *widths[:-1]], widths, strict=True)
        )
        self.answer = nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.answer(x.mean((2, 3)))


class Text(nn.Module):
    """An encoder of three layers with a mask; linear layer on the first token."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, 16)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True) for _ in range(3)
        )
        self.answer = nn.Linear(16, CLASSES)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=mask == 0)
        return self.answer(x[:, 0])


class Scenes(nn.Module):
    """Five small blocks, three of them at half and two at a quarter of the size; a class for every pixel."""

    def __init__(self) -> None:
        super().__init__()
        widths = [3, 8, 8, 8, 16, 16]
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, stride=2 if index in {0, 3} else 1, padding=1), nn.ReLU())
            for index, (before, after) in enumerate(pairwise(widths))
        )
        self.answer = nn.Conv2d(16, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return functional.interpolate(self.answer(x), scale_factor=4.0, mode="bilinear")


def attach(trunk: nn.Module, taps: Sequence[Tap], kinds: Sequence[HeadKind], output, own: OwnHead) -> Attached:
    """Put one head behind each tap; taps without one are left over at the end."""
    heads, entries, shared = [], [], SharedModules()
    for index, kind in enumerate(kinds):
        context = HeadContext(
            tap=taps[index], later=tuple(taps[index + 1 :]), output=output, own_head=own, shared=shared
        )
        assert kind.refusal(context) is None, (kind, kind.refusal(context))
        heads.append(kind.make(context))
        name = f"{taps[index].name}-{kind.name}"
        entries.append(AttachedHead(name=name, tap=taps[index].name, kind=kind.name, options=kind.options()))
    chosen = tuple(entry.name for entry in entries)
    return Attached(trunk, heads, Attachment(taps=tuple(taps), heads=tuple(entries), chosen=chosen, output=output))


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A network with heads, and its graph.

    Attributes:
        module: in evaluation mode.
        model: exits are its outputs.
        names: of the inputs.
    """

    module: Attached
    model: ir.Model
    names: tuple[str, ...]

    def inputs(self, batch: int) -> tuple[Tensor, ...]:
        """Samples: images, or tokens with their mask."""
        generator = torch.Generator().manual_seed(batch)
        if len(self.names) == 1:
            return (torch.randn(batch, *IMAGE, generator=generator),)
        ids = torch.randint(0, WORDS, (batch, TOKENS), generator=generator)
        length = torch.randint(1, TOKENS + 1, (batch, 1), generator=generator)
        return ids, (torch.arange(TOKENS) < length).long()

    def arrays(self, batch: int) -> dict[str, np.ndarray]:
        """The same by name."""
        return {name: tensor.numpy() for name, tensor in zip(self.names, self.inputs(batch), strict=True)}

    def expected(self, batch: int) -> list[np.ndarray]:
        """What torch answers."""
        with torch.no_grad():
            return [answer.numpy() for answer in self.module(*self.inputs(batch))]


def export(module: Attached, names: tuple[str, ...], example: tuple[Tensor, ...]) -> Exported:
    exits = module.attachment.exits
    model = export_module(module, example, inputs=names, exits=exits, where="test")
    if len(module.attachment.output) == 1:
        finish_graph(model, exits=exits, where="test")
    else:
        optimise(model)
    return Exported(module=module, model=model, names=names)


def draw_images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Four patterns in noise: `[count, 3, 16, 16] float32`, and which pattern."""
    patterns = np.random.default_rng(0).standard_normal((CLASSES, *IMAGE))
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    images = 0.5 * patterns[labels] + random.standard_normal((count, *IMAGE))
    return images.astype(np.float32), labels


def train(module: Attached, *, steps: int) -> None:
    """All exits together, by cross-entropy, on drawn images; then in evaluation mode."""
    x, y = (torch.from_numpy(array) for array in draw_images(64 * steps, seed=1))
    optimiser = torch.optim.Adam(module.parameters(), lr=5e-3)
    module.train()
    for batch in range(0, len(x), 64):
        loss = sum(functional.cross_entropy(e, y[batch : batch + 64]) for e in module(x[batch : batch + 64]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    module.eval()


@pytest.fixture(scope="session")
def images() -> Exported:
    """A trunk for images with ten heads, trained."""
    torch.manual_seed(0)
    trunk = Images()
    sizes = [16] * 3 + [8] * 4 + [4] * 4
    taps = [
        Tap(name=f"blocks.{index}", shape=(block[0].out_channels, size, size), macs=index)
        for index, (block, size) in enumerate(zip(trunk.blocks, sizes, strict=True))
    ]
    own = OwnHead(module=trunk.answer, shape=(32,))
    module = attach(trunk, taps, parse_heads(HEADS_FOR_IMAGES), (CLASSES,), own)
    train(module, steps=30)
    return export(module, ("x",), (torch.zeros(3, *IMAGE),))


@pytest.fixture(scope="session")
def text() -> Exported:
    """A trunk for text with two heads."""
    torch.manual_seed(0)
    trunk = Text().eval()
    taps = [Tap(name=f"layers.{index}", shape=(TOKENS, 16), macs=index) for index in range(3)]
    own = OwnHead(module=trunk.answer, shape=(16,))
    module = attach(trunk, taps, parse_heads(HEADS_FOR_TEXT), (CLASSES,), own).eval()
    example = (torch.zeros(3, TOKENS, dtype=torch.int64), torch.ones(3, TOKENS, dtype=torch.int64))
    return export(module, ("ids", "mask"), example)


@pytest.fixture(scope="session")
def scenes() -> Exported:
    """A trunk with dense answers and four heads."""
    torch.manual_seed(0)
    trunk = Scenes().eval()
    taps = [
        Tap(name=f"blocks.{index}", shape=(block[0].out_channels, size, size), macs=index)
        for index, (block, size) in enumerate(zip(trunk.blocks, [8, 8, 8, 4, 4], strict=True))
    ]
    own = OwnHead(module=trunk.answer, shape=(16, 4, 4))
    module = attach(trunk, taps, parse_heads(HEADS_FOR_SCENES), (CLASSES, *IMAGE[1:]), own).eval()
    return export(module, ("x",), (torch.zeros(3, *IMAGE),))


@pytest.fixture(scope="session")
def drawn():
    """See `draw_images`."""
    return draw_images
