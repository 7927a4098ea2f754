"""What is counted of a layer, and how intensity follows from it."""

import pytest
import torch
from torch import Tensor, nn

from eecompile.fold_plan.intensity import arithmetic_intensity, moved_bytes
from eecompile.fold_plan.layer_work import layers_of
from eecompile.module_macs import module_macs


class Twice(nn.Module):
    """Runs a layer twice and leaves another one out."""

    def __init__(self) -> None:
        super().__init__()
        self.again = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.unused = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.again(self.again(x)).mean((2, 3))


LAYERS = nn.Sequential(
    nn.Conv2d(3, 8, 3, stride=2, padding=1),
    nn.BatchNorm2d(8),
    nn.ReLU(),
    nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False),
    nn.ConvTranspose2d(8, 4, 2, stride=2),
    nn.Flatten(),
    nn.Linear(4 * 8 * 8, 5),
)


def test_what_a_layer_computes_reads_and_writes():
    first, grouped, transposed, last = layers_of(LAYERS, (3, 8, 8))
    assert (first.name, first.kind, first.output) == ("0", "Conv2d", (8, 4, 4))
    assert (first.macs, first.bias_adds, first.weights, first.values) == (27 * 128, 128, 27 * 8 + 8, 192 + 128)
    assert first.flops == 2 * 27 * 128 + 128
    assert (grouped.macs, grouped.bias_adds, grouped.weights) == (18 * 128, 0, 18 * 8)
    assert (transposed.output, transposed.macs) == ((4, 8, 8), 128 * 16)
    assert (last.macs, last.bias_adds, last.weights, last.values) == (256 * 5, 5, 256 * 5 + 5, 261)


def test_layers_have_the_arithmetic_of_the_network():
    layers = layers_of(LAYERS, (3, 8, 8))
    assert sum(layer.macs for layer in layers) == module_macs(LAYERS, (torch.zeros(2, 3, 8, 8),))


def test_a_layer_that_runs_twice_counts_twice():
    assert [layer.name for layer in layers_of(Twice(), (4, 5, 5))] == ["again", "again"]


def test_a_layer_that_is_called_by_keyword_counts():
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(input=x).mean((2, 3))

    (layer,) = layers_of(Named(), (3, 4, 4))
    assert (layer.macs, layer.values) == (3 * 2 * 16, 3 * 16 + 2 * 16)


def test_hooks_are_gone_afterwards():
    layers_of(LAYERS, (3, 8, 8))
    assert not any(part._forward_hooks for part in LAYERS.modules())


@pytest.mark.parametrize(("precision", "size"), [("float32", 4), ("float16", 2), ("bfloat16", 2), ("int8", 1)])
def test_bytes_follow_the_precision(precision, size):
    layers = layers_of(LAYERS, (3, 8, 8))
    one, two = (moved_bytes(layers, rows=rows, precision=precision) for rows in (1, 2))
    assert two - one == size * sum(layer.values for layer in layers)
    assert 2 * one - two == size * sum(layer.weights for layer in layers)


def test_more_rows_share_the_weights():
    layers = layers_of(LAYERS, (3, 8, 8))
    found = [arithmetic_intensity(layers, rows=rows, precision="float32") for rows in (1, 2, 4, 1000)]
    assert found == sorted(found)
    bound = sum(layer.flops for layer in layers) / (4 * sum(layer.values for layer in layers))
    assert found[-1] < bound
