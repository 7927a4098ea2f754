"""Numbers of weights: the formulas of the docstrings, and the figures of the papers' own networks."""

import pytest
import torch

from eecompile.heads import KINDS, parse_heads
from eecompile.heads.base import SharedModules

FEATURE = (512, 4, 4)
F, C = 8192, 10


@pytest.fixture
def count(place, parameters):
    """Weights of a head, without filling them with numbers: `(head, shape, **place)`."""

    def make(head, shape, **where):
        context = place(shape, **where)
        (kind,) = parse_heads(head)
        assert kind.refusal(context) is None
        with torch.device("meta"):
            return parameters(kind.make(context))

    return make


@pytest.mark.parametrize(
    ("head", "expected", "megabytes"),
    [
        ("fc", F * 1024 + 1024 + 1024 * C + C, 33.6),
        ("fc(300)", F * 300 + 300 + 300 * C + C, 9.8),
        ("pool", 4096 * 1024 + 1024 + 1024 * C + C, 16.8),
        ("pool(hidden=10,size=3072)", 3072 * 10 + 10 + 10 * C + C, 0.12),
        ("conv", 3 + 1 + (F - 2) * C + C, 0.33),
        ("conv(10,20)", 10 + 1 + ((F - 10) // 20 + 1) * C + C, 0.02),
    ],
)
def test_gati(count, head, expected, megabytes):
    assert count(head, FEATURE) == expected
    assert 4 * expected / 1e6 == pytest.approx(megabytes, abs=0.05 if megabytes > 1 else 0.03)
    assert count(head, (F,)) == expected


def test_gati_conv_with_a_hundred_classes_is_ten_times_as_large(count):
    assert 4 * count("conv", FEATURE, output=(100,)) / 1e6 == pytest.approx(3.3, abs=0.05)


def test_a_feature_that_is_shorter_than_the_pool_is_not_pooled(count):
    assert count("pool", (16, 8, 8)) == count("fc", (16, 8, 8))


def bottleneck(before, after):
    inside = after // 4
    norms = 2 * (2 * inside + 2 * after)
    return before * inside + 9 * inside**2 + inside * after + before * after + norms


def resnet56_trunk():
    """EENet's bottleneck ResNet [9, 9, 9] of widths 16, 32, 64, with its final linear layer."""
    total, before = 27 * 16 + 32, 16
    for inside in (16, 32, 64):
        after = 4 * inside
        total += bottleneck(before, after)
        total += 8 * (2 * after * inside + 9 * inside**2 + 2 * (2 * inside + after))
        before = after
    return total + 256 * C + C


def test_conv3_adds_up_to_resnet56_of_eenet(count):
    early, middle = count("conv3", (64, 32, 32)), count("conv3", (128, 16, 16))
    assert resnet56_trunk() + early + middle == 939_438
    assert early == 9 * 64 * 16 + 18 * 16**2 + 6 * 16 + 16 * C + C


VGG19 = [
    *[("bof", (64, 32, 32))] * 2,
    ("bof(window=16)", (64, 16, 16)),
    *[("bof", (128, 16, 16))] * 2,
    ("bof(window=8)", (128, 8, 8)),
    *[("bof", (256, 8, 8))] * 4,
    ("bof(window=4)", (256, 4, 4)),
    *[("bof", (512, 4, 4))] * 4,
    *[("bof(window=2)", (512, 2, 2))] * 5,
]
"""The 20 exits of Predictive Exit: after every convolution and after pools 1 to 4."""


def test_bag_of_features_of_vgg19(place):
    shared, heads = SharedModules(), []
    for text, shape in VGG19:
        (kind,) = parse_heads(text)
        heads.append(kind.make(place(shape, shared=shared)))
    inputs = [head.layers[0].in_features for head in heads]
    assert inputs == [256] * 2 + [64] + [256] * 2 + [64] + [256] * 4 + [64] + [256] * 4 + [64] * 5
    assert len({id(head.codebook) for head in heads}) == 4
    assert len({id(layer) for head in heads for layer in head.layers}) == 2
    codebooks = sum(64 * channels + 64 + 4 for channels in (64, 128, 256, 512))
    weights = {id(p): p.numel() for head in heads for p in head.parameters()}
    assert sum(weights.values()) == codebooks + 256 * 64 + 64 + 64 * C + C


def test_bag_of_features_of_images_of_96_pixels_has_nine_windows(place):
    (kind,) = parse_heads("bof(window=2)")
    head = kind.make(place((512, 6, 6)))
    assert [layer.in_features for layer in head.layers] == [576, 64]


def test_remainder_of_resnet101(count):
    stages = [*[(256, 56, 56)] * 2, *[(512, 28, 28)] * 4, *[(1024, 14, 14)] * 23, *[(2048, 7, 7)] * 3]
    found = count("remainder", stages[0], later=stages[1:], output=(1000,))
    steps = bottleneck(256, 256) + bottleneck(256, 512) + bottleneck(512, 1024) + bottleneck(1024, 2048)
    assert found == steps + 2048 * 1000 + 1000
    at_the_end_of_the_stage = count("remainder", stages[1], later=stages[2:], output=(1000,))
    assert at_the_end_of_the_stage == found - bottleneck(256, 256)


def test_poses_of_pame(count):
    found = count("deconv", (1024, 24, 24), later=[(2048, 12, 12)], output=(16, 96, 96))
    deconvs = 16 * 2048 * 256 + 2 * 16 * 256 * 256 + 3 * 2 * 256
    assert found == bottleneck(1024, 2048) + deconvs + 256 * 16 + 16


DENSE = 9 * 64 * 16 + 2 * 16 + 16 * C + C


@pytest.mark.parametrize(
    ("head", "shape", "output", "expected"),
    [
        ("linear", (64, 8, 8), (C,), 64 * C + C),
        ("linear(4)", (64, 8, 8), (C,), 64 * 16 * C + C),
        ("linear", (64,), (C,), 64 * C + C),
        ("linear", (64, 8, 8), (C, 16, 16), 64 * C + C),
        ("strided(48)", (64, 8, 8), (C,), 9 * 64 * 48 + 9 * 48**2 + 4 * 48 + 48 * C + C),
        ("simple", (64, 8, 8), (C,), bottleneck(64, 64) + 64 * C + C),
        ("simple", (64, 8, 8), (C, 16, 16), bottleneck(64, 64) + DENSE),
        ("pooler", (7, 64), (C,), 64**2 + 64 + 64 * C + C),
    ],
)
def test_formulas(count, head, shape, output, expected):
    assert count(head, shape, output=output) == expected


def test_every_kind_has_a_formula():
    assert all("Parameters" in kind.__doc__ for kind in KINDS.values())
