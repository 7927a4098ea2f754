"""Heads that share weights."""

from torch import nn

from eecompile.train.head_groups import head_groups


def test_heads_alone_are_groups_of_one():
    assert head_groups([nn.Linear(2, 2) for _ in range(3)]) == [[0], [1], [2]]


def test_heads_with_a_weight_in_common_are_one_group():
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    heads = [nn.Sequential(one), nn.Linear(2, 2), nn.Sequential(other), nn.Sequential(one, other), nn.Linear(2, 2)]
    assert head_groups(heads) == [[0, 2, 3], [1], [4]]
