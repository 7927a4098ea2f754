"""How far a step may move a layer."""

import pytest
import torch
from torch import nn

from eecompile.train.step_limit import MOST_OF_LAYER, layers_of, limit_gradients


def with_gradient(layer: nn.Linear, size: float) -> float:
    """Give all weights a gradient of this size; returns the length of the weights."""
    for weight in layer.parameters():
        weight.grad = torch.full_like(weight, size)
    return torch.cat([weight.flatten() for weight in layer.parameters()]).norm().item()


def length_of_gradient(layer: nn.Linear) -> float:
    return torch.cat([weight.grad.flatten() for weight in layer.parameters()]).norm().item()


@pytest.fixture
def layer() -> nn.Linear:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return nn.Linear(6, 5)


def test_a_long_step_is_shortened_to_a_share_of_the_layer(layer):
    length = with_gradient(layer, 1e4)
    limit_gradients(layers_of(layer), {id(weight): 0.05 for weight in layer.parameters()}, MOST_OF_LAYER)
    assert 0.05 * length_of_gradient(layer) == pytest.approx(MOST_OF_LAYER * length, rel=1e-5)
    assert layer.weight.grad[0, 0] == layer.bias.grad[0]


def test_a_short_step_stays_bit_by_bit(layer):
    with_gradient(layer, 1e-4)
    before = layer.weight.grad.clone()
    limit_gradients(layers_of(layer), {id(weight): 0.05 for weight in layer.parameters()}, MOST_OF_LAYER)
    assert torch.equal(layer.weight.grad, before)


def test_a_layer_of_zeros_moves(layer):
    for weight in layer.parameters():
        nn.init.zeros_(weight)
    with_gradient(layer, 1.0)
    limit_gradients(layers_of(layer), {id(weight): 0.05 for weight in layer.parameters()}, MOST_OF_LAYER)
    assert length_of_gradient(layer) > 0


def test_weights_without_a_gradient_and_gradients_of_zero_are_left_alone(layer):
    limit_gradients(layers_of(layer), {}, MOST_OF_LAYER)
    with_gradient(layer, 0.0)
    limit_gradients(layers_of(layer), {id(weight): 0.05 for weight in layer.parameters()}, MOST_OF_LAYER)
    assert length_of_gradient(layer) == 0


def test_every_weight_is_in_one_layer():
    shared = nn.Linear(2, 2)
    module = nn.Sequential(shared, nn.BatchNorm1d(2), nn.ReLU(), nn.Sequential(shared, nn.Linear(2, 3, bias=False)))
    module.own = nn.ParameterList([nn.Parameter(torch.tensor(64.0)), nn.Parameter(torch.tensor(1.0))])
    assert [len(layer) for layer in layers_of(module)] == [2, 2, 1, 1, 1]
