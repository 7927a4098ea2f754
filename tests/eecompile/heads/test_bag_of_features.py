"""Bag-of-Features pooling: the formula, what is shared, and weights that fit whatever heads are left."""

import torch
from torch.nn import functional

from eecompile.heads import parse_heads
from eecompile.heads.base import SharedModules


def test_the_formula(place):
    torch.manual_seed(0)
    (kind,) = parse_heads("bof(codewords=8,hidden=6,window=3)")
    head = kind.make(place((5, 7, 7), output=(4,))).eval()
    book = head.codebook
    with torch.no_grad():
        for parameter in (book.slope, book.shift, book.sum, book.scale):
            parameter.add_(torch.rand(()))
        x = torch.randn(2, 5, 7, 7)
        similar = functional.conv2d(x, book.similarity.weight, book.similarity.bias)
        v = (torch.tanh(book.slope * similar + book.shift) + 1) / 2
        u = book.sum * v / v.sum(1, keepdim=True)
        pooled = functional.avg_pool2d(u, 3, 3) * book.scale
        assert pooled.shape == (2, 8, 2, 2)
        expected = head.layers[1](head.layers[0](pooled.flatten(1)))
        assert torch.allclose(head(x), expected, atol=1e-4)


def test_learned_numbers_start_as_in_the_original(place):
    (kind,) = parse_heads("bof")
    book = kind.make(place((64, 32, 32))).codebook
    assert [book.slope.item(), book.shift.item(), book.sum.item(), book.scale.item()] == [1, 0, 64, 16]


def test_dead_codewords_give_zeros_and_not_nan(place):
    (kind,) = parse_heads("bof(4,4)")
    head = kind.make(place((3, 4, 4)))
    torch.nn.init.constant_(head.codebook.similarity.bias, -100.0)
    for dtype in (torch.float32, torch.float16):
        assert torch.isfinite(head.codebook.to(dtype)(torch.zeros(1, 3, 4, 4, dtype=dtype), (2, 2))).all()


def test_weights_fit_when_other_heads_have_left(place):
    shared = SharedModules()
    places = [(8, 16, 16), (8, 8, 8), (16, 8, 8)]
    (kind,) = parse_heads("bof(16,8)")
    heads = [kind.make(place(shape, shared=shared)) for shape in places]
    alone = kind.make(place(places[1]))
    alone.load_state_dict(heads[1].state_dict())
    x = torch.randn(2, *places[1])
    assert torch.equal(alone(x), heads[1](x))
