"""Parameters and multiply-accumulates against published figures. Nothing is computed: all is on the meta device."""

import pytest
import torch
from torch import nn

from eecompile.attach.attached import tapped
from eecompile.module_macs import macs_until, module_macs
from eecompile.zoo import lookup
from eecompile.zoo.folded_cnn import GAMES

IMAGENET = {
    # name: parameters for 1,000 classes, entries of the published state_dict, multiply-accumulates in thousand millions
    "resnet18": (11_689_512, 122, 1.814),
    "resnet34": (21_797_672, 218, 3.664),
    "resnet50": (25_557_032, 320, 4.089),
    "resnet101": (44_549_160, 626, 7.801),
    "resnet152": (60_192_808, 932, 11.514),
    "densenet121": (7_978_856, 727, 2.834),
    "vgg16_bn": (138_365_992, 97, 15.470),
    "vgg19_bn": (143_678_248, 118, 19.632),
}
EENET = {
    # name: classes, parameters, where each exit is made, millions of multiply-accumulates up to it
    "resnet56_3": (10, 939_438, ("heads.0", "heads.1", "trunk.fc"), (54.97, 112.38, 155.63)),
    "densenet121_4": (
        100,
        1_207_768,
        ("heads.transition1", "heads.transition2", "heads.transition3", "trunk.classifier"),
        (55.15, 94.60, 126.53, 131.36),
    ),
}
FOLDED = {
    # architecture, task: parameters, height, width, millions of operations an image (two a multiply-accumulate). These
    # figures take a convolution's bias for one more multiply-accumulate an output, and the last layer of games twice.
    ("game_cnn", "lol/goldnumber-fraction"): (33_867, 22, 52, 16.78),
    ("game_cnn", "lol/goldnumber-int"): (60_367, 22, 52, 16.89),
    ("game_cnn", "lol/timer-minutes"): (37_958, 15, 35, 7.92),
    ("game_cnn", "apex/squad_count_v2"): (33_086, 19, 25, 7.18),
    ("game_cnn", "sot/coin_count-digits_3_4-v2"): (32_887, 17, 40, 10.13),
    ("game_cnn", "sot/timer3"): (60_451, 22, 30, 14.56),
    ("noscope_cnn", "coral"): (1_283_154, 50, 50, 16.40),
    ("noscope_cnn", "night"): (1_283_154, 50, 50, 16.40),
    ("noscope_cnn", "taipei"): (1_318_818, 50, 50, 196.16),
    ("noscope_cnn", "roundabout"): (360_578, 50, 50, 120.59),
}


@pytest.fixture(autouse=True)
def nothing_is_computed():
    with torch.device("meta"):
        yield


def parameters(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize("name", IMAGENET)
def test_imagenet_forms_have_the_published_sizes(name):
    count, entries, macs = IMAGENET[name]
    form = "form" if name.startswith("vgg") else "stem"
    network = lookup(name)(classes=1000, **{form: "imagenet"})
    assert parameters(network) == count
    assert len(network.state_dict()) == entries
    assert round(module_macs(network, [torch.zeros(1, 3, 224, 224)]) / 1e9, 3) == macs


def test_resnet_weights_have_the_published_names_and_shapes():
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {"conv1.weight", "fc.weight", "fc.bias", *(f"bn1.{part}" for part in norm)}
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            at = f"layer{stage}.{block}"
            expected |= {f"{at}.conv{i}.weight" for i in (1, 2, 3)}
            expected |= {f"{at}.bn{i}.{part}" for i in (1, 2, 3) for part in norm}
        expected |= {f"layer{stage}.0.downsample.0.weight", *(f"layer{stage}.0.downsample.1.{part}" for part in norm)}
    weights = lookup("resnet50")(classes=1000, stem="imagenet").state_dict()
    assert set(weights) == expected
    assert weights["conv1.weight"].shape == (64, 3, 7, 7)
    assert weights["layer3.0.conv2.weight"].shape == (256, 256, 3, 3)
    assert weights["layer4.0.downsample.0.weight"].shape == (2048, 1024, 1, 1)
    assert weights["fc.weight"].shape == (1000, 2048)


def test_a_cifar_stem_keeps_the_size_of_the_image():
    network = lookup("resnet18")(classes=10, in_channels=1)
    assert network.conv1.weight.shape == (64, 1, 3, 3)
    assert network.layer1(network.stem(torch.zeros(2, 1, 32, 32))).shape == (2, 64, 32, 32)


@pytest.mark.parametrize("name", EENET)
def test_eenet_networks_have_the_published_sizes(name):
    classes, count, exits, millions = EENET[name]
    network = lookup(name)(classes=classes)
    assert parameters(network) == count
    macs = macs_until(network, [torch.zeros(2, 3, 32, 32)], exits)
    assert tuple(macs) == exits
    assert tuple(round(value / 1e6, 2) for value in macs.values()) == millions


@pytest.mark.parametrize(("name", "trunk"), [("resnet56_3", 869_530), ("densenet121_4", 1_035_268)])
def test_the_plain_trunks_of_eenet_are_the_same_networks(name, trunk):
    plain = {"resnet56_3": "resnet56_bottleneck", "densenet121_4": "densenet121_growth12"}[name]
    network = lookup(plain)(classes=EENET[name][0])
    assert parameters(network) == trunk
    whole = lookup(name)(classes=EENET[name][0]).state_dict()
    shapes = {key.removeprefix("trunk."): value.shape for key, value in whole.items() if key.startswith("trunk.")}
    assert {key: value.shape for key, value in network.state_dict().items()} == shapes


@pytest.mark.parametrize(("name", "task"), FOLDED)
def test_folded_cnns_have_the_published_sizes(name, task):
    count, height, width, millions = FOLDED[name, task]
    if name == "game_cnn":
        assert (GAMES[task].height, GAMES[task].width) == (height, width)
    network = lookup(name)(task=task)
    assert parameters(network) == count
    image = torch.zeros(1, 3, height, width)
    convolutions = [name for name, part in network.named_modules() if isinstance(part, nn.Conv2d)]
    with torch.no_grad(), tapped(network, convolutions) as outputs:
        network(image)
    macs = module_macs(network, [image]) + sum(outputs[convolution].numel() for convolution in convolutions)
    if name == "game_cnn":
        macs += network.classifier.weight.numel()
    assert round(2 * macs / 1e6, 2) == millions


@pytest.mark.parametrize(("side", "inputs"), [(32, 512), (96, 4608)])
def test_the_cifar_form_of_vgg_ends_in_one_layer(side, inputs):
    network = lookup("vgg19_bn")(classes=10, side=side)
    assert network.classifier.weight.shape == (10, inputs)
    assert network(torch.zeros(2, 3, side, side)).shape == (2, 10)


def test_vgg19_has_the_twenty_taps_of_predictive_exit():
    network = lookup("vgg19_bn")(classes=10)
    kinds = "".join("p" if isinstance(network.get_submodule(n), nn.MaxPool2d) else "c" for n in network.tap_names)
    assert kinds == "ccp" + "ccp" + "ccccp" + "ccccp" + "cccc"


def test_bert_base_has_the_published_size():
    network = lookup("bert_encoder")(30522, 2, 12, 768, 12, 3072, 512)
    assert parameters(network) - parameters(network.head.linear) == 109_482_240
    tokens = torch.zeros(1, 128, dtype=torch.int64)
    layer = 128 * (4 * 768 * 768 + 2 * 768 * 3072) + 2 * 128 * 128 * 768
    head = 768 * 768 + 768 * 2
    assert module_macs(network, [tokens, tokens]) == 12 * layer + head
