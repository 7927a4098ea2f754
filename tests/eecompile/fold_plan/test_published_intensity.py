"""The paper's networks: arithmetic intensity and operations an image, folded as published.

The tables are what the code of FoldedCNNs computes for them.
"""

import pytest
import torch
from torch import nn

from eecompile.fold import FoldSpec, fold_network
from eecompile.fold_plan.intensity import arithmetic_intensity
from eecompile.fold_plan.layer_work import layers_of
from eecompile.zoo.folded_cnn import GAMES, NOSCOPE, game_cnn, noscope_cnn

IMAGES = 1024
FOLDS = (1, 2, 3, 4)

INTENSITY = {
    "lol/goldnumber-fraction": (87.33, 126.73, 158.38, 187.79),
    "apex/squad_count_v2": (88.63, 128.36, 160.12, 189.44),
    "sot/coin_count-digits_3_4-v2": (88.15, 127.79, 159.55, 188.97),
    "sot/timer3": (102.27, 146.46, 181.30, 213.03),
    "coral": (58.70, 82.44, 101.34, 118.75),
    "night": (58.70, 82.44, 101.34, 118.75),
    "taipei": (185.16, 262.37, 321.82, 374.64),
    "roundabout": (151.52, 214.13, 262.52, 305.94),
}
"""Operations a byte at f = 1, 2, 3, 4; float16, 1,024 images."""

OPERATIONS = {
    "lol/goldnumber-fraction": (16.78, 1.035, 1.066, 1.115),
    "apex/squad_count_v2": (7.18, 1.034, 1.064, 1.112),
    "sot/coin_count-digits_3_4-v2": (10.13, 1.034, 1.065, 1.113),
    "sot/timer3": (14.56, 1.019, 1.039, 1.076),
    "lol/goldnumber-int": (16.89, 1.037, 1.069, 1.120),
    "lol/timer-minutes": (7.92, 1.035, 1.066, 1.114),
    "coral": (16.40, 1.004, 1.046, 1.127),
    "night": (16.40, 1.004, 1.046, 1.127),
    "taipei": (196.16, 1.006, 1.016, 1.042),
    "roundabout": (120.59, 1.003, 1.009, 1.034),
}
"""Million operations an image at f = 1; times so much at f = 2, 3, 4."""


@pytest.fixture(scope="module")
def published():
    """Layers of a network folded as published, by task and factor; each is made once."""
    made = {}

    def layers(task: str, fold: int):
        if (task, fold) not in made:
            network, shape = unfolded(task)
            if fold > 1:
                network = fold_network(network, FoldSpec(fold, "exact"), shape, where=task)
            made[task, fold] = layers_of(network, shape if fold == 1 else (fold, *shape))
        return made[task, fold]

    return layers


def unfolded(task: str) -> tuple[nn.Module, tuple[int, int, int]]:
    if task in NOSCOPE:
        return noscope_cnn(task), (3, 50, 50)
    return game_cnn(task), (3, GAMES[task].height, GAMES[task].width)


@pytest.mark.parametrize("fold", FOLDS)
@pytest.mark.parametrize("task", INTENSITY)
def test_intensity_is_that_of_the_paper(published, task, fold):
    found = arithmetic_intensity(published(task, fold), rows=IMAGES / fold, precision="float16")
    assert found == pytest.approx(INTENSITY[task][fold - 1], rel=0.0005)


def counted(layers, task: str) -> int:
    """As the table: a bias addition is two operations, the fully connected layer of a game network is there twice."""
    twice = {True: 4, False: 2}
    return sum(twice[task in GAMES and layer.kind == "Linear"] * (layer.macs + layer.bias_adds) for layer in layers)


@pytest.mark.parametrize("task", OPERATIONS)
def test_operations_are_those_of_the_paper(published, task):
    before = counted(published(task, 1), task)
    mega, *growth = OPERATIONS[task]
    assert before / 1e6 == pytest.approx(mega, abs=0.006)
    for fold, expected in zip(FOLDS[1:], growth, strict=True):
        assert counted(published(task, fold), task) / fold / before == pytest.approx(expected, abs=0.0006)


@pytest.mark.parametrize("task", OPERATIONS)
def test_operations_of_a_plan_grow_as_in_the_paper(published, task):
    """A plan counts a bias addition and a last layer once, which changes little."""
    before = sum(layer.flops for layer in published(task, 1))
    for fold, expected in zip(FOLDS[1:], OPERATIONS[task][1:], strict=True):
        after = sum(layer.flops for layer in published(task, fold)) / fold
        assert after / before == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize("task", INTENSITY)
def test_folding_raises_intensity(published, task):
    found = [arithmetic_intensity(published(task, fold), rows=IMAGES / fold, precision="float16") for fold in FOLDS]
    assert found == sorted(found)
    assert 2.0 < found[-1] / found[0] < 2.16


def test_every_task_of_the_zoo_is_in_a_table():
    assert set(OPERATIONS) == {*GAMES, *NOSCOPE}


def test_the_weights_of_the_network_before_folding_are_not_touched():
    network, shape = unfolded("lol/timer-minutes")
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    layers_of(network, shape)
    assert network.training
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
