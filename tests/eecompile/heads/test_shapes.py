"""Every head gives what the trunk gives, whatever it reads; fresh weights keep the size of values."""

from itertools import product

import pytest
import torch

from eecompile.heads import KINDS, all_kinds

SHAPES = [(4, 1, 1), (5, 3, 3), (8, 7, 5), (16, 8, 8), (6, 1, 12), (64,), (3, 32), (1, 4)]
OUTPUTS = [(3,), (2, 28, 20), (3, 16, 16)]


def later(shape):
    if len(shape) == 3:
        return [shape, (2 * shape[0], -(-shape[1] // 2), -(-shape[2] // 2))]
    return [shape]


PLACES = list(product(SHAPES, OUTPUTS))


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.name)
def test_what_is_not_refused_fits(place, kind):
    made = 0
    for shape, output in PLACES:
        context = place(shape, later=later(shape), output=output)
        if kind.refusal(context) is not None:
            continue
        made += 1
        head = kind.make(context)
        for batch, training in ((2, True), (1, False)):
            head.train(training)
            answer = head(torch.randn(batch, *shape))
            assert answer.shape == (batch, *output)
            assert answer.dtype == torch.float32
        answer.sum().backward()
        assert all(p.requires_grad and p.grad is not None for p in head.parameters())
    assert made, "no place fitted"


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.name)
def test_weights_come_from_the_seed_and_answers_do_not_depend_on_the_batch(place, kind):
    shape = (3, 32) if kind.name == "pooler" else (16, 8, 8)
    context = {"later": later(shape), "output": (3, 16, 16) if kind.name == "deconv" else (3,)}
    heads = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        heads.append(kind.make(place(shape, **context)).eval())
    x = torch.randn(3, *shape)
    first, again, other = (head(x) for head in heads)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    alone = torch.cat([heads[0](row[None]) for row in x])
    assert torch.allclose(first, alone, atol=1e-5)


@pytest.mark.parametrize("name", ["fc", "pool", "conv", "strided", "conv3", "simple", "remainder"])
def test_fresh_weights_keep_the_size_of_values(place, name):
    torch.manual_seed(0)
    head = KINDS[name]().make(place((64, 16, 16), later=[(128, 8, 8)], output=(50,)))
    features = torch.randn(64, 64, 16, 16).relu()
    spread = head.train()(features).std().item()
    assert 0.02 < spread < 5


def test_the_only_filter_of_conv_starts_alive(place):
    """Whatever the seed: of a feature behind a ReLU, something passes the filter."""
    for seed in range(20):
        torch.manual_seed(seed)
        flatten, row, filter_, relu = KINDS["conv"]().make(place((4, 6, 6)))[:4]
        passed = relu(filter_(row(flatten(torch.randn(2, 4, 6, 6).relu()))))
        assert (passed > 0).any()
