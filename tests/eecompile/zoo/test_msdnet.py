"""MSDNet: its size, counted again from the paper's rules, and what its exits depend on."""

from math import ceil

import pytest
import torch

from eecompile.zoo import lookup


def bottleneck(inputs: int, outputs: int, factor: int) -> int:
    """Parameters of a 1x1 convolution to at most `factor` times the outputs and a 3x3 one, each with a norm."""
    inner = min(inputs, factor * outputs)
    return inputs * inner + 2 * inner + 9 * inner * outputs + 2 * outputs


def layer_parameters(width: int, growth: int, factors: tuple[int, ...], before: int, after: int) -> int:
    """Parameters of a layer that takes the `before` coarsest scales and gives the `after` coarsest ones."""
    total = 0
    for scale in range(len(factors) - after, len(factors)):
        new = growth * factors[scale]
        if scale == len(factors) - before:
            total += bottleneck(width * factors[scale], new, factors[scale])
        else:
            total += bottleneck(width * factors[scale - 1], new // 2, factors[scale - 1])
            total += bottleneck(width * factors[scale], new - new // 2, factors[scale])
    return total


def head_parameters(inputs: int, width: int, classes: int) -> int:
    return 9 * inputs * width + 2 * width + 9 * width * width + 2 * width + width * classes + classes


def derived(*, exits: int, base: int, step: int, large: bool, classes: int) -> int:
    """Parameters by the rules of section 4: even blocks of layers, one for each scale, half of the channels between."""
    width, growth, factors, kernel = (32, 16, (1, 2, 4, 4), 7) if large else (16, 6, (1, 2, 4), 3)
    total = 3 * kernel * kernel * width + 2 * width
    for scale in range(1, len(factors)):
        outputs = width * factors[scale]
        total += 9 * width * factors[scale - 1] * outputs + 2 * outputs
    layers = base + (exits - 1) * step
    interval = ceil(layers / len(factors))
    before = len(factors)
    for layer in range(1, layers + 1):
        after = len(factors) - (layer - 1) // interval
        total += layer_parameters(width, growth, factors, before, after)
        width += growth
        if after < before:
            half = width // 2
            total += sum(width * f * half * f + 2 * half * f for f in factors[-after:])
            width = half
        before = after
        if layer >= base and (layer - base) % step == 0:
            inputs = width * factors[-1]
            total += head_parameters(inputs, inputs if large else 128, classes)
    return total


@pytest.mark.parametrize(
    ("name", "exits", "base", "step"),
    [("msdnet_imagenet", 5, 7, 7), ("msdnet_imagenet", 5, 4, 4), ("msdnet_cifar", 7, 4, 2), ("msdnet_cifar", 2, 1, 1)],
)
def test_parameters_follow_the_rules_of_the_paper(name, exits, base, step):
    large = name == "msdnet_imagenet"
    with torch.device("meta"):
        network = lookup(name)(classes=100, exits=exits, base=base, step=step)
    counted = sum(weight.numel() for weight in network.parameters())
    assert counted == derived(exits=exits, base=base, step=step, large=large, classes=100)


@pytest.mark.parametrize(
    ("name", "kwargs", "classes", "count"),
    [
        ("msdnet_cifar", {}, 10, 4_839_544),  # as the training log of a published implementation prints it
        ("msdnet_imagenet", {}, 1000, 62_314_440),  # derived, see above: what the docstring says
        ("msdnet_imagenet", {"base": 4, "step": 4}, 1000, 23_958_408),
    ],
)
def test_the_sizes_that_the_docstrings_give(name, kwargs, classes, count):
    with torch.device("meta"):
        network = lookup(name)(classes=classes, **kwargs)
    assert sum(weight.numel() for weight in network.parameters()) == count


def test_scales_are_half_as_large_each_and_end_one_by_one():
    network = lookup("msdnet_cifar")(classes=3, exits=3, base=2, step=2).eval()
    scales = []
    x = torch.rand(2, 3, 32, 32)
    for part in network.stem:
        x = part(x)
        scales.append(x)
    sides = []
    for block in network.blocks:
        scales = block(scales)
        sides.append([scale.shape[2] for scale in scales])
    assert sides == [[32, 16, 8], [16, 8], [8]]


def test_an_exit_depends_on_its_own_layers_and_not_on_deeper_ones():
    torch.manual_seed(0)
    network = lookup("msdnet_cifar")(classes=3, exits=3, base=1, step=1).eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        before = network(images)
        for weight in network.blocks[1].parameters():
            weight.mul_(2.0)
        after = network(images)
    assert torch.equal(before[0], after[0])
    assert not torch.allclose(before[1], after[1])
    assert not torch.allclose(before[2], after[2])


def test_every_scale_of_the_input_counts():
    torch.manual_seed(0)
    network = lookup("msdnet_cifar")(classes=3, exits=1, base=3, step=1).eval()
    scales = [torch.rand(1, 16, 32, 32), torch.rand(1, 32, 16, 16), torch.rand(1, 64, 8, 8)]
    for scale in scales:
        scale.requires_grad_()
    network.heads[0](network.blocks[0](scales)[-1]).sum().backward()
    assert all(scale.grad is not None and scale.grad.abs().sum() > 0 for scale in scales)
