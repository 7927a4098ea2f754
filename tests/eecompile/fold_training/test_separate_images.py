"""Images that are kept apart: nobody meets another, and all have the same weights."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eecompile.fold import FoldedNetwork, FoldSpec, fold_network
from eecompile.fold_training.channel_owners import channel_owners
from eecompile.fold_training.reactions import reactions
from eecompile.fold_training.separate_images import SeparateImages

SHAPE = (3, 6, 6)


class Mixed(nn.Module):
    """A residual and a concatenated branch, depthwise, transposed and squeeze-excite, two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.branch = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.early = nn.Linear(8 * 36, 5)
        self.wide, self.wide_norm, self.slope = nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16), nn.PReLU(16)
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.hidden, self.last = nn.Linear(8, 16), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.relu(self.norm(self.first(x)))
        x = functional.relu6(x + self.branch(x))
        y = self.depth(x)
        y = y * torch.sigmoid(self.excite(torch.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        early = self.early(x.flatten(1))
        z = self.slope(self.wide_norm(self.wide(torch.cat([x, y], 1))))
        return early, self.last(torch.relu(self.hidden(self.up(z).amax((2, 3)))))


@pytest.fixture
def folded():
    """Fold by `factor` with `widths`, and keep the images apart."""

    def make(factor: int, widths: str, epochs: int = 1) -> tuple[FoldedNetwork, SeparateImages]:
        with torch.random.fork_rng([]):
            torch.manual_seed(1)
            network = fold_network(Mixed().eval(), FoldSpec(factor, widths), SHAPE, where="test").eval()
            return network, SeparateImages(network, SHAPE, epochs)

    return make


def answers(network: FoldedNetwork, rows: Tensor) -> Tensor:
    """`[rows, factor, exits, classes]`."""
    with torch.no_grad():
        return torch.stack(network(rows), 2)


def draw(factor: int) -> Tensor:
    return torch.randn(4, factor, *SHAPE, generator=torch.Generator().manual_seed(2))


def refilled(rows: Tensor, keep: int) -> Tensor:
    """Other images in all places but one."""
    other = draw(rows.shape[1]).flip(0) + 1
    other[:, keep] = rows[:, keep]
    return other


@pytest.mark.parametrize(("factor", "widths"), [(2, "multiple-of-8"), (4, "multiple-of-8"), (3, "exact")])
def test_an_answer_does_not_depend_on_the_partners(folded, factor, widths):
    network, separate = folded(factor, widths)
    assert separate.epochs == 1
    assert reactions(network, SHAPE).apart
    rows = draw(factor)
    expected = answers(network, rows)
    assert not torch.allclose(expected[0], expected[1])
    for place in range(factor):
        torch.testing.assert_close(answers(network, refilled(rows, place))[:, place], expected[:, place])


@pytest.mark.parametrize("factor", [2, 4])
def test_an_answer_does_not_depend_on_the_place(folded, factor):
    network, _ = folded(factor, "multiple-of-8")
    rows = draw(factor)
    turned = answers(network, rows.roll(1, 1))
    torch.testing.assert_close(turned, answers(network, rows).roll(1, 1))


def test_steps_keep_them_apart_and_equal_until_the_epochs_are_over(folded):
    network, separate = folded(2, "multiple-of-8", epochs=1)
    rows = draw(2)
    optimiser = torch.optim.SGD(network.parameters(), 0.0005, momentum=0.9)

    def step(epoch: int) -> None:
        separate.begin(epoch)
        optimiser.zero_grad()
        torch.stack([logits.square().sum() for logits in network(rows)]).sum().backward()
        separate.join_gradients()
        optimiser.step()

    before = answers(network, rows)
    for _ in range(3):
        step(0)
    after = answers(network, rows)
    assert not torch.allclose(after, before)
    torch.testing.assert_close(answers(network, rows.roll(1, 1)), after.roll(1, 1))
    torch.testing.assert_close(answers(network, refilled(rows, 0))[:, 0], after[:, 0])
    step(1)
    step(1)
    free = answers(network, rows)
    assert not torch.allclose(answers(network, refilled(rows, 0))[:, 0], free[:, 0])


def test_joined_gradients_are_those_of_one_network_that_sees_all_images(folded):
    network, separate = folded(2, "multiple-of-8")
    rows = draw(2)

    def bias_gradient(given: Tensor) -> Tensor:
        network.zero_grad()
        network(given)[1].sum().backward()
        separate.begin(0)
        separate.join_gradients()
        gradient = network.body.last.bias.grad
        assert gradient is not None
        return gradient.clone()

    gradient = bias_gradient(rows)
    assert torch.equal(gradient[:5], gradient[5:])
    torch.testing.assert_close(gradient, bias_gradient(rows.roll(1, 1)))
    assert float(gradient[0]) == pytest.approx(2 * len(rows))


def test_without_epochs_the_weights_are_left_as_they_are(folded):
    network, separate = folded(2, "multiple-of-8", epochs=0)
    rows = draw(2)
    assert not torch.allclose(answers(network, refilled(rows, 0))[:, 0], answers(network, rows)[:, 0])
    network(rows)[0].sum().backward()
    gradient = network.body.first.weight.grad.clone()
    separate.begin(0)
    separate.join_gradients()
    assert torch.equal(network.body.first.weight.grad, gradient)


def test_channels_are_followed_through_concatenation_and_flattening(folded):
    network, _ = folded(2, "multiple-of-8", epochs=0)
    owners = channel_owners(network, SHAPE)
    width = network.body.first.out_channels
    half = [0] * (width // 2) + [1] * (width // 2)
    assert owners["first"].taken.tolist() == [0] * 3 + [1] * 3
    assert owners["wide"].taken.tolist() == half + half
    assert owners["early"].taken.tolist() == [owner for owner in half for _ in range(36)]
    assert owners["depth"].taken is None
    assert owners["depth"].made.tolist() == half
    assert owners["last"].made.tolist() == [0] * 5 + [1] * 5


def test_a_layer_with_fewer_channels_than_images_mixes_them():
    class Narrow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.last = nn.Conv2d(3, 1, 1), nn.Conv2d(1, 8, 1), nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(torch.relu(self.two(torch.relu(self.one(x)))).mean((2, 3)))

    network = fold_network(Narrow(), FoldSpec(4, "exact"), SHAPE, where="test")
    assert network.body.one.out_channels == 2
    assert "one" not in channel_owners(network, SHAPE)
    SeparateImages(network, SHAPE, 1)
    assert not reactions(network, SHAPE).apart
