"""PAME's exits: what is left of the trunk, stage by stage, and a copy of the trunk's own head."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from eecompile.heads import parse_heads
from eecompile.heads.base import OwnHead
from eecompile.heads.later_stages import later_stages, size_change
from eecompile.heads.modules.bottleneck import bottlenecks

(REMAINDER,) = parse_heads("remainder")


def test_one_stage_for_each_change_of_shape_and_for_the_unfinished_one(place):
    rest = [(8, 8, 8), (16, 4, 4), (16, 4, 4), (16, 2, 2), (10,)]
    assert later_stages(place((8, 8, 8), later=rest)) == ((8, 8, 8), (16, 4, 4), (16, 2, 2))
    assert later_stages(place((8, 8, 8), later=rest[1:])) == ((16, 4, 4), (16, 2, 2))
    assert later_stages(place((16, 2, 2), later=rest[4:])) == ()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_a_bottleneck_reaches_every_size_that_is_not_refused(height, width, new_height, new_width):
    before, after = (3, height, width), (4, new_height, new_width)
    change = size_change(before, after)
    if change is not None:
        block = bottlenecks(before, (after,)).eval()
        assert block(torch.zeros(1, *before)).shape == (1, *after)
        assert size_change(after, after) == size_change(before, before)
    else:
        strides = {-(-height // s) for s in range(1, height + 1)}, {-(-width // s) for s in range(1, width + 1)}
        grows = new_height > height or new_width > width
        assert grows or new_height not in strides[0] or new_width not in strides[1]


def own(module, shape):
    return OwnHead(module=module, shape=shape)


OWN_HEADS = {
    "vector": (lambda: nn.Linear(16, 5), (16,), (5,)),
    "map": (lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)), (16, 4, 4), (5,)),
    "flattened": (lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(256, 5)), (256,), (5,)),
    "dense": (lambda: nn.Conv2d(16, 5, 1), (16, 4, 4), (5, 16, 16)),
    "dense and large": (lambda: nn.ConvTranspose2d(16, 5, 4, stride=4), (16, 4, 4), (5, 16, 16)),
}


@pytest.mark.parametrize("name", OWN_HEADS)
def test_the_own_head_is_copied_with_its_weights_and_left_alone(place, name):
    make, shape, output = OWN_HEADS[name]
    module = make().eval().requires_grad_(False)
    context = place((8, 8, 8), later=[(16, 4, 4)], output=output, own_head=own(module, shape))
    assert REMAINDER.refusal(context) is None
    head = REMAINDER.make(context)

    wanted = list(module.parameters())
    copied = list(head.parameters())[-len(wanted) :]
    assert all(torch.equal(a, b) for a, b in zip(copied, wanted, strict=True))
    assert all(p.requires_grad for p in copied)
    assert not any(p.requires_grad for p in wanted)
    assert not {id(p) for p in wanted} & {id(p) for p in head.parameters()}
    assert not module.training
    assert head.eval()(torch.zeros(2, 8, 8, 8)).shape == (2, *output)


def test_an_own_head_with_statistics_is_not_changed_by_looking_at_it(place):
    module = nn.Sequential(nn.BatchNorm2d(16), nn.Conv2d(16, 5, 1)).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    head = REMAINDER.make(place((8, 8, 8), later=[(16, 4, 4)], output=(5, 8, 8), own_head=own(module, (16, 4, 4))))
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert head(torch.zeros(2, 8, 8, 8)).shape == (2, 5, 8, 8)


class Several(nn.Linear):
    """An own head with a second result."""

    def forward(self, x):
        return super().forward(x), x


@pytest.mark.parametrize(
    ("module", "shape"),
    [(nn.Linear(32, 5), (32,)), (nn.Linear(16, 7), (16,)), (Several(16, 5), (16,))],
    ids=["other feature", "other answer", "several results"],
)
def test_an_own_head_that_does_not_fit_is_replaced(place, parameters, module, shape):
    where = {"later": [(16, 4, 4)], "output": (5,)}
    head = REMAINDER.make(place((8, 8, 8), own_head=own(module, shape), **where))
    assert parameters(head) == parameters(REMAINDER.make(place((8, 8, 8), **where)))
    assert head(torch.zeros(2, 8, 8, 8)).shape == (2, 5)


def test_of_an_encoder_the_own_head_reads_the_first_token(place):
    module = nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 5))
    head = REMAINDER.make(place((6, 16), later=[(6, 16)], output=(5,), own_head=own(module, (16,))))
    x = torch.randn(3, 6, 16)
    assert torch.equal(head(x), module(x[:, 0]))
    assert torch.equal(head(x[:, :2]), module(x[:, 0])), "the number of tokens does not matter"


def test_of_an_encoder_an_own_head_that_reads_all_tokens(place):
    module = nn.Sequential(nn.Flatten(), nn.Linear(96, 5))
    head = REMAINDER.make(place((6, 16), later=[(6, 16)], output=(5,), own_head=own(module, (6, 16))))
    x = torch.randn(3, 6, 16)
    assert torch.equal(head(x), module(x))


def test_without_an_own_head_an_encoder_has_a_pooler_with_dropout(place):
    head = REMAINDER.make(place((6, 16), later=[(6, 16)], output=(5,)))
    x = torch.randn(64, 6, 16)
    assert not torch.equal(head.train()(x), head(x))
    assert torch.equal(head.eval()(x), head(x))


def test_dense_answers_are_enlarged_as_torch_does(place):
    module = nn.Conv2d(16, 5, 1)
    (head,) = parse_heads("linear")
    made = head.make(place((16, 4, 2), output=(5, 16, 6)))
    made[0].load_state_dict(module.state_dict())
    x = torch.randn(2, 16, 4, 2)
    expected = functional.interpolate(module(x), size=(16, 6), mode="bilinear", align_corners=False)
    assert torch.allclose(made(x), expected, atol=1e-6)
