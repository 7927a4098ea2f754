"""Whatever is put together of convolutions, groups, residuals, concatenation and squeeze-excite folds by the rule."""

from dataclasses import dataclass

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from eecompile.fold import WIDTHS, FoldSpec, fold_network

CLASSES = 3


@dataclass(frozen=True)
class Part:
    """One block: its kind and how many channels it makes, where it is free to."""

    kind: str
    width: int


class Squeeze(nn.Module):
    """Squeeze-excite."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, max(1, width // 4)), nn.Linear(max(1, width // 4), width)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.up(functional.relu(self.down(x.mean((2, 3))))))[:, :, None, None]


class Residual(nn.Module):
    """Two convolutions around a depthwise one, added to the input."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, inner, 1, bias=False)
        self.depthwise = nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False)
        self.last, self.norm = nn.Conv2d(inner, width, 1), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.norm(self.last(self.depthwise(self.first(x)))))


class Branches(nn.Module):
    """The input beside what a convolution makes of it, joined by another."""

    def __init__(self, width: int, new: int) -> None:
        super().__init__()
        self.conv, self.join = nn.Conv2d(width, new, 3, padding=1), nn.Conv2d(width + new, new, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat([x, self.conv(x)], 1))


class Network(nn.Module):
    """Blocks, with an exit behind the stem and one at the end that has a hidden layer."""

    def __init__(self, stem: int, parts: list[Part], hidden: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Conv2d(2, stem, 3, padding=1)])
        width = stem
        for part in parts:
            match part.kind:
                case "conv":
                    self.blocks.append(nn.Sequential(nn.Conv2d(width, part.width, 3, 2, 1), nn.ReLU()))
                    width = part.width
                case "grouped":
                    self.blocks.append(nn.Conv2d(width, 2 * width, 1, groups=2 if width % 2 == 0 else 1))
                    width *= 2
                case "residual":
                    self.blocks.append(Residual(width, part.width))
                case "branches":
                    self.blocks.append(Branches(width, part.width))
                    width = part.width
                case _:
                    self.blocks.append(Squeeze(width))
        self.early = nn.Linear(stem, CLASSES)
        self.late = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, CLASSES))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.blocks[0](x)
        early = self.early(x.mean((2, 3)))
        for block in self.blocks[1:]:
            x = block(x)
        return early, self.late(x.mean((2, 3)))


@settings(max_examples=40, deadline=None)
@given(
    stem=st.integers(3, 20),
    parts=st.lists(
        st.builds(Part, st.sampled_from(["conv", "grouped", "residual", "branches", "squeeze"]), st.integers(3, 24)),
        max_size=5,
    ),
    hidden=st.integers(3, 20),
    factor=st.sampled_from([2, 3, 4, 8]),
    widths=st.sampled_from(WIDTHS),
)
def test_a_network_of_such_parts_folds_by_the_rule(stem, parts, hidden, factor, widths):
    module, spec = Network(stem, parts, hidden), FoldSpec(factor, widths)
    folded = fold_network(module, spec, (2, 6, 6), where="random").eval()
    with torch.no_grad():
        logits = folded(torch.rand(2, factor, 2, 6, 6))
    assert [tuple(exit_.shape) for exit_ in logits] == [(2, factor, CLASSES)] * 2
    exits = {"early", "late.2"}
    grouped = [part for part in module.modules() if isinstance(part, nn.Conv2d) and part.groups == 2]
    fits = {width: 2 for part in grouped for width in (part.in_channels, part.out_channels)}
    for name, old in module.named_modules():
        new = folded.body.get_submodule(name)
        if isinstance(old, nn.Linear | nn.Conv2d):
            field = "out_features" if isinstance(old, nn.Linear) else "out_channels"
            before, after = getattr(old, field), getattr(new, field)
            assert after == (factor * before if name in exits else spec.width(before, fits)), name
    assert list(folded.body.state_dict()) == list(module.state_dict())
