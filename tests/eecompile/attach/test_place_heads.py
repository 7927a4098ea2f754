"""Kinds of heads meet taps: what fits is attached, what does not is told; also on networks of the zoo."""

import pytest
import tapped_networks
import torch

from eecompile.attach.find_taps import find_taps
from eecompile.attach.place_heads import place_heads
from eecompile.attach.watch import watch
from eecompile.heads import all_kinds, parse_heads
from eecompile.zoo import lookup
from eengines.errors import UserError

ENCODER = {
    "vocabulary": 20,
    "classes": 3,
    "layers": 3,
    "width": 8,
    "heads": 2,
    "feed_forward": 16,
    "max_length": 6,
}


def tokens() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(3, 6, dtype=torch.int64), torch.ones(3, 6, dtype=torch.int64)


def place(network, arguments, heads, names=None):
    watched = watch(network, arguments)
    kinds = parse_heads(heads) if isinstance(heads, str) else heads
    return place_heads(watched, find_taps(watched, names, None, where="net"), kinds, named=names is not None, seed=0)


@pytest.mark.parametrize(
    ("arch", "kwargs", "arguments", "heads", "own_head"),
    [
        ("resnet18", {"classes": 3, "in_channels": 1}, None, "linear,conv3,bof,simple,remainder,fc(4)", "fc"),
        ("bert_encoder", ENCODER, tokens(), "pooler,remainder", None),
        ("dilated_fcn", {"channels": (4, 4, 8), "classes": 3, "in_channels": 1}, None, "linear,remainder", "head"),
    ],
)
def test_networks_of_the_zoo(arch, kwargs, arguments, heads, own_head):
    network = lookup(arch)(**kwargs).eval()
    arguments = arguments or (torch.rand(3, 1, 16, 16),)
    with torch.no_grad():
        expected = network(*arguments)
    attached = place(network, arguments, heads).attached
    attachment = attached.attachment
    assert attachment.automatic == network.tap_names
    assert attachment.own_head == (own_head or network.own_head)
    with torch.no_grad():
        features, final = attached.features(*arguments)
        answers = attached.candidates(features)
    assert torch.equal(final, expected)
    assert {answer.shape for answer in answers.values()} == {expected.shape}
    fitting = {head.kind for head in attachment.heads}
    assert fitting == {kind.name for kind in parse_heads(heads)}
    assert [head.tap for head in attachment.heads] == sorted(
        (head.tap for head in attachment.heads), key=network.tap_names.index
    )


def test_every_pair_is_attached_or_refused_with_a_reason(images):
    kinds = [kind for kind in all_kinds() if kind.name not in {"pooler", "deconv", "strided", "pool"}]
    placed = place(tapped_networks.Residual(), images, kinds)
    pairs = {(head.tap, head.kind) for head in placed.attached.attachment.heads}
    refused = {(one.tap, one.kind) for one in placed.refused}
    assert not pairs & refused
    assert len(pairs | refused) == 4 * len(kinds)
    assert ("layer2.1", "remainder") in refused
    assert all(one.reason for one in placed.refused)


def test_the_same_seed_gives_the_same_weights_and_leaves_the_generator(images):
    trunk = tapped_networks.Residual()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    one = place(trunk, images, "fc(4)").attached
    assert torch.equal(torch.rand(2), expected)
    other = place(trunk, images, "fc(4)").attached
    pairs = zip(one.heads.parameters(), other.heads.parameters(), strict=True)
    assert all(torch.equal(weight, twin) for weight, twin in pairs)


def test_costs_of_heads_are_counted(images):
    placed = place(tapped_networks.Residual(), images, "fc(16)", ["layer1.0"])
    (head,) = placed.attached.attachment.heads
    assert head.macs == 256 * 16 + 16 * 4
    assert head.parameters == head.macs + 16 + 4


def test_a_named_tap_needs_a_head(images):
    with pytest.raises(UserError, match=r"--at layer2\.1: no head fits: remainder: nothing of the trunk is left"):
        place(tapped_networks.Residual(), images, "remainder", ["layer1.0", "layer2.1"])
    with pytest.raises(UserError, match=r"--heads remainder: fits no tap; at layer2\.1: "):
        place(tapped_networks.Residual(), images, "remainder", ["layer2.1"])
