"""Every network of the zoo folds or is refused, without a list of them in the transform."""

import pytest
import torch
from torch import nn

from eecompile.fold import FoldSpec, fold_network
from eecompile.zoo import lookup
from eecompile.zoo.folded_cnn import GAMES
from eecompile.zoo.table import ARCHITECTURES
from eengines.errors import IngestError

SMALL = (3, 16, 16)
FOLD = {
    "branchy_cnn": ({"channels": [4, 6], "classes": 5, "in_channels": 3}, (3, 8, 8), 2),
    "densenet121": ({"classes": 5}, SMALL, 1),
    "densenet121_4": ({"classes": 5}, SMALL, 4),
    "densenet121_growth12": ({"classes": 5}, SMALL, 1),
    "game_cnn": ({"task": "sot/timer3"}, (3, 22, 30), 1),
    "msdnet_cifar": ({"classes": 5, "exits": 3}, SMALL, 3),
    "msdnet_imagenet": ({"classes": 5, "exits": 2, "base": 2, "step": 1}, (3, 64, 64), 2),
    "noscope_cnn": ({"task": "roundabout"}, (3, 50, 50), 1),
    "residual_cnn": ({"channels": [4, 6, 8], "classes": 5, "in_channels": 3}, (3, 8, 8), 1),
    "resnet18": ({"classes": 5}, SMALL, 1),
    "resnet34": ({"classes": 5}, SMALL, 1),
    "resnet50": ({"classes": 5}, SMALL, 1),
    "resnet56_3": ({"classes": 5}, SMALL, 3),
    "resnet56_bottleneck": ({"classes": 5}, SMALL, 1),
    "resnet101": ({"classes": 5}, SMALL, 1),
    "resnet152": ({"classes": 5, "stem": "imagenet"}, (3, 32, 32), 1),
    "vgg16_bn": ({"classes": 5}, (3, 32, 32), 1),
    "vgg19_bn": ({"classes": 5, "side": 64}, (3, 64, 64), 1),
}
REFUSED = {
    "bert_encoder": (
        {"vocabulary": 9, "layers": 3, "width": 8, "heads": 2, "feed_forward": 12, "max_length": 6, "classes": 3},
        r"bert_encoder: module '.*embed.*': is an embedding, which reads indices, not images",
    ),
    "dilated_fcn": (
        {"channels": [4, 4], "classes": 5, "in_channels": 3},
        r"exit 0: makes \[2, 5, 8, 8\] for 2 images, expected logits \[2, classes\]\. Only networks that classify",
    ),
}


def test_every_architecture_is_tested_here():
    assert {*FOLD, *REFUSED} == set(ARCHITECTURES)


@pytest.mark.parametrize("name", FOLD)
def test_a_network_of_the_zoo_folds(name):
    kwargs, shape, exits = FOLD[name]
    classes = {"game_cnn": 27, "noscope_cnn": 2}.get(name, 5)
    torch.manual_seed(0)
    network = lookup(name)(**kwargs)
    folded = fold_network(network, FoldSpec(2), shape, where=name).eval()
    with torch.no_grad():
        logits = folded(torch.rand(1, 2, *shape))
    assert [tuple(exit_.shape) for exit_ in logits] == [(1, 2, classes)] * exits
    widths = [part.out_channels for part in folded.modules() if isinstance(part, nn.Conv2d)]
    assert all(width % 8 == 0 for width in widths)
    assert list(folded.body.state_dict()) == list(network.state_dict())


@pytest.mark.parametrize("name", REFUSED)
def test_others_are_refused(name):
    kwargs, message = REFUSED[name]
    with pytest.raises(IngestError, match=message):
        fold_network(lookup(name)(**kwargs), FoldSpec(2), (3, 8, 8), where=name)


@pytest.mark.parametrize("task", GAMES)
def test_parameters_of_the_game_networks_grow_by_about_the_factor(task):
    game = GAMES[task]
    network = lookup("game_cnn")(task=task)
    before = sum(weight.numel() for weight in network.parameters())
    for factor in (2, 3, 4):
        folded = fold_network(network, FoldSpec(factor, "exact"), (3, game.height, game.width), where=task)
        after = sum(weight.numel() for weight in folded.parameters())
        assert 0.95 < after / (factor * before) < 1.5, factor  # above where the last layer, with f x sqrt(f), is large
