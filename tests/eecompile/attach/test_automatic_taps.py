"""Taps are found in networks of every style, and modules that cannot be taps are refused with the reason."""

import pytest
import tapped_networks
import torch
from torch import Tensor, nn

from eecompile.attach.automatic_taps import automatic_taps
from eecompile.attach.find_taps import find_taps
from eecompile.attach.own_head import find_own_head
from eengines.errors import UserError


@pytest.mark.parametrize(
    ("make", "taps", "own_head"),
    [
        (tapped_networks.Residual, "layer1.0 layer1.1 layer2.0 layer2.1", ("fc", (8,))),
        (tapped_networks.Vgg, "features.2 features.3 features.6 features.7", ("classifier", (24,))),
        (tapped_networks.Dense, "features.denseblock1 features.denseblock2", ("classifier", (8,))),
        (tapped_networks.Functional, "stages.0 stages.1 stages.2", ("head", (4, 5, 5))),
        (tapped_networks.plain_sequential, "1 2 4", ("6", (64,))),
        (tapped_networks.sequential_of_stages, "0 1", ("3", (256,))),
    ],
)
def test_blocks_or_layer_groups_are_found(watched, make, taps, own_head):
    network = watched(make().eval())
    found = automatic_taps(network)
    assert found == tuple(taps.split())
    assert find_own_head(network, found, None) == own_head


def token_arguments() -> tuple[Tensor, Tensor]:
    return torch.zeros(3, 5, dtype=torch.int64), torch.ones(3, 5, dtype=torch.int64)


def test_encoder_layers_with_tuples_and_keywords(watched):
    network = watched(tapped_networks.Encoder(), *token_arguments())
    found = find_taps(network, None, None, where="encoder")
    assert [tap.name for tap in found.taps] == ["layer.0", "layer.1", "layer.2"]
    assert {tap.shape for tap in found.taps} == {(5, 8)}
    assert found.own_head == ("classifier", (8,))


def test_what_a_network_says_itself_is_taken(watched):
    class Stated(tapped_networks.Residual):
        own_head = "avgpool"
        tap_names = ("layer1.1", "bn1")

    network = watched(Stated())
    assert automatic_taps(network) == ("layer1.1", "bn1")
    with pytest.raises(UserError, match=r"--at bn1: is overwritten by what runs behind it"):
        find_taps(network, None, None, where="stated")
    assert find_own_head(network, (), None) == ("avgpool", (8, 4, 4))


def test_frozen_weights_do_not_hide_chains_and_stay_frozen(watched):
    frozen = tapped_networks.Functional().requires_grad_(False)
    assert automatic_taps(watched(frozen)) == ("stages.0", "stages.1", "stages.2")
    assert not any(weight.requires_grad for weight in frozen.parameters())
    assert not any(module._forward_hooks for module in frozen.modules())


def test_costs_grow_from_tap_to_tap_up_to_the_whole(watched):
    found = find_taps(watched(tapped_networks.Residual()), ["layer2.0", "layer1.0"], None, where="net")
    assert found.read == ("layer1.0", "layer2.0")
    macs = [tap.macs for tap in found.taps]
    assert macs == sorted(macs) == [found.taps[0].macs, *macs[1:]]
    assert macs[0] == 64 * 9 * (4 + 16 + 16)
    assert macs[-1] + 8 * 4 == found.macs
    assert found.output == (4,)


class Awkward(nn.Module):
    """Modules that cannot be tapped."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Conv2d(1, 1, 3, padding=1)
        self.unused = nn.Conv2d(1, 1, 3)
        self.sizes = Sizes()
        self.across = nn.Flatten(0, 1)
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.good = nn.Conv2d(2, 2, 3, padding=1)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(128, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(self.twice(x))
        self.sizes(x)
        x = self.relu(self.conv(x))
        self.across(x)
        return self.head(self.good(x))


class Sizes(nn.Module):
    def forward(self, x: Tensor) -> dict[str, int]:
        return {"rows": len(x)}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("twice", "runs 2 times in one forward, expected once"),
        ("unused", "does not run in forward"),
        ("sizes", "returns dict, expected a tensor"),
        ("across", r"returns float32 \[6, 8, 8\] for 3 samples"),
        ("conv", "is overwritten by what runs behind it"),
        ("head", "gives the network's answer"),
        ("goood", r"is no module of the network. The nearest are good"),
    ],
)
def test_modules_that_cannot_be_taps(watched, name, words):
    network = watched(Awkward())
    assert find_taps(network, ["good"], None, where="net").read == ("good",)
    with pytest.raises(UserError, match=words):
        find_taps(network, [name], None, where="net")


def test_own_heads_that_cannot_be(watched):
    network = watched(Awkward())
    for name, words in (("twice", "runs 2 times"), ("unused", "runs 0 times"), ("haed", "The nearest are head")):
        with pytest.raises(UserError, match=words):
            find_own_head(network, (), name)
    assert find_own_head(network, (), "good") == ("good", (2, 8, 8))


def test_a_network_without_chains_asks_for_names(watched):
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)
            self.fc = nn.Linear(72, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.conv(x).flatten(1))

    network = watched(Bare())
    with pytest.raises(UserError, match=r"net: --at auto: no chain .* Name modules with --at"):
        find_taps(network, None, None, where="net")
    assert find_taps(network, ["conv"], None, where="net").taps[0].shape == (2, 6, 6)
