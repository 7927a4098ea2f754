"""Start with images apart in networks as users write them: right, or not at all."""

import pytest
import torch
from torch import Tensor, nn

from eecompile.fold import FoldSpec, fold_network
from eecompile.fold_training.exit_owners import exit_owners
from eecompile.fold_training.reactions import reactions
from eecompile.fold_training.separate_images import SeparateImages

SHAPE, CLASSES = (3, 8, 8), 6


class Network(nn.Module):
    """Two convolutions, and whatever comes between and behind them."""

    def __init__(self, between: nn.Module | None = None, head: int = CLASSES) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 16, 3, padding=1)
        self.between = between or nn.Identity()
        self.head = nn.Linear(16, head)

    def features(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.between(self.first(x)))))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


class TwoParts(Network):
    """Each half of the classes has a layer of its own."""

    def __init__(self) -> None:
        super().__init__(head=CLASSES // 2)
        self.other = nn.Linear(16, CLASSES // 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x).mean((2, 3))
        return torch.cat([self.head(x), self.other(x)], 1)


class PlacesAreClasses(Network):
    """Classes are flattened behind places."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(16, CLASSES // 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.head(self.features(x)), (1, 2))
        return x.permute(0, 2, 3, 1).flatten(1)


class MaxOut(Network):
    """The largest of three for each class."""

    def __init__(self) -> None:
        super().__init__(head=3 * CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)
        return x.unflatten(1, (3, -1)).amax(1)


class Halves(Network):
    """One half of the channels passes by the second convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Conv2d(8, 8, 3, padding=1)

    def features(self, x: Tensor) -> Tensor:
        one, other = self.first(x).chunk(2, 1)
        return torch.relu(torch.cat([one, self.second(other)], 1))


class ByName(Network):
    """Layers are called by keyword."""

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.second(input=torch.relu(self.first(input=x))))
        return self.head(input=x.mean((2, 3)))


class MeanBeside(Network):
    """The mean of the input's channels beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 16, 3, 2, 1)

    def features(self, x: Tensor) -> Tensor:
        return super().features(torch.cat([x, x.mean(1, keepdim=True)], 1))


class Moved(nn.Module):
    """A norm over the channels, which stand last for it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


NETWORKS = {
    "plain": Network,
    "two parts": TwoParts,
    "places are classes": PlacesAreClasses,
    "maxout": MaxOut,
    "halves": Halves,
    "by name": ByName,
    "mean beside": MeanBeside,
    "group norm of all": lambda: Network(nn.GroupNorm(1, 16)),
    "group norm of four": lambda: Network(nn.GroupNorm(4, 16)),
    "layer norm": lambda: Network(Moved()),
}
APART = {"plain", "maxout", "by name", "group norm of four"}
STARTED = APART | {"group norm of all", "layer norm", "mean beside"}


def logits_of(network, rows: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.stack(network(rows), 2)


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_an_image_has_its_own_logits_or_the_first_weights_come_back(name, factor):
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = fold_network(NETWORKS[name]().eval(), FoldSpec(factor), SHAPE, where=name).eval()
    before = {key: weight.clone() for key, weight in network.state_dict().items()}
    separate = SeparateImages(network, SHAPE, 3)
    assert separate.epochs == (3 if name in STARTED else 0)
    if not separate.epochs:
        assert all(torch.equal(before[key], weight) for key, weight in network.state_dict().items())
        return
    generator = torch.Generator().manual_seed(1)
    rows, others = torch.rand(2, 4, factor, *SHAPE, generator=generator)
    usual, met = logits_of(network, rows), 0
    for place in range(factor):
        changed = rows.clone()
        changed[:, place] = others[:, place]
        change = (logits_of(network, changed) - usual).abs().amax((0, 2, 3))
        assert int(change.argmax()) == place
        met += int((change > 0).sum()) - 1
    assert (met == 0) == (name in APART)
    assert reactions(network, SHAPE).apart == (name in APART)


@pytest.mark.parametrize("norm", [nn.GroupNorm(1, 16), Moved()], ids=["group norm", "layer norm"])
def test_norms_over_all_channels_mix_images_although_every_layer_keeps_them_apart(norm):
    network = fold_network(Network(norm).eval(), FoldSpec(2), SHAPE, where="test").eval()
    SeparateImages(network, SHAPE, 1)
    found = reactions(network, SHAPE)
    assert (found.apart, found.own_most, found.alike) == (False, True, True)


def test_the_owners_of_an_exit_follow_what_is_behind_its_layer():
    network = fold_network(MaxOut(), FoldSpec(2), SHAPE, where="test").eval()
    assert exit_owners(network, SHAPE)["head"].tolist() == 3 * ([0] * CLASSES + [1] * CLASSES)
    for unclean in (TwoParts(), PlacesAreClasses()):
        folded = fold_network(unclean, FoldSpec(4), SHAPE, where="test").eval()
        assert exit_owners(folded, SHAPE)["head"] is None
    assert set(exit_owners(network, SHAPE)) == {"head"}
