"""A module becomes the folded one: wider layers, f times the classes, everything else as it was."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eecompile.fold import FoldSpec, fold_network
from eecompile.zoo import lookup

IMAGE = (3, 12, 10)


def folded(
    module: nn.Module, factor: int = 2, widths: str = "multiple-of-8", shape: tuple[int, ...] = IMAGE
) -> nn.Module:
    """The body, with weights of one seed."""
    torch.manual_seed(0)
    return fold_network(module, FoldSpec(factor, widths), shape, where="test")


def branchy() -> nn.Module:
    return lookup("branchy_cnn")(channels=[4, 6], classes=5, in_channels=3)


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
@pytest.mark.parametrize("widths", ["exact", "multiple-of-8"])
def test_every_exit_answers_every_image_of_a_row(factor, widths):
    network = folded(branchy(), factor, widths).eval()
    with torch.no_grad():
        logits = network(torch.rand(3, factor, *IMAGE))
    assert [tuple(exit_.shape) for exit_ in logits] == [(3, factor, 5)] * 2


def test_the_published_network_by_four():
    network = folded(lookup("game_cnn")(task="lol/goldnumber-fraction"), 4, "exact", (3, 22, 52))
    assert sum(weight.numel() for weight in network.parameters()) == 150_268
    convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
    assert [part.out_channels for part in convolutions] == [64] * 4 + [16]
    assert convolutions[0].in_channels == 12
    assert (network.body.classifier.in_features, network.body.classifier.out_features) == (528, 44)


def test_rows_are_channels_of_the_body_in_the_order_of_their_images():
    network = folded(branchy(), 3).eval()
    images = torch.rand(2, 3, *IMAGE)
    with torch.no_grad():
        got = network(images)
        beside = network.body(torch.cat([images[:, place] for place in range(3)], dim=1))
    for exit_, flat in zip(got, beside, strict=True):
        for place in range(3):
            assert torch.equal(exit_[:, place], flat[:, place * 5 : (place + 1) * 5])


def test_position_i_is_answered_by_block_i():
    """A network whose weights keep images apart answers each as it would alone."""
    network = folded(nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False)), 2, shape=(1, 2, 2))
    alone = torch.randn(2, 4)
    linear = network.body[1]
    with torch.no_grad():
        linear.weight.copy_(torch.block_diag(alone, alone))
        images = torch.rand(3, 2, 1, 2, 2)
        (logits,) = network(images)
    torch.testing.assert_close(logits, images.flatten(2) @ alone.T)


def test_depth_kernels_strides_and_names_stay():
    before = lookup("resnet56_bottleneck")(classes=4)
    after = folded(before, 2, shape=(3, 16, 16)).body
    names = [name for name, _ in before.named_modules()]
    assert names == [name for name, _ in after.named_modules()]
    for name in names:
        one, other = before.get_submodule(name), after.get_submodule(name)
        assert type(one) is type(other)
        if isinstance(one, nn.Conv2d):
            for field in ("kernel_size", "stride", "padding", "dilation", "groups"):
                assert getattr(one, field) == getattr(other, field), (name, field)
            assert (one.bias is None) == (other.bias is None)
    assert list(before.state_dict()) == list(after.state_dict())


def test_the_module_is_left_as_it_is():
    module = branchy()
    module.stages[1].eval()
    kept, modes = copy.deepcopy(module.state_dict()), [part.training for part in module.modules()]
    network = folded(module, 2)
    assert [part.training for part in module.modules()] == modes
    assert [part.training for part in network.body.modules()] == modes
    assert all(torch.equal(kept[name], weight) for name, weight in module.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in (*module.modules(), *network.modules()))


def test_weights_are_fresh_and_come_from_torchs_generator():
    module = branchy()
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.fill_(7)
    one, other = folded(module, 2), folded(module, 2)
    assert all(torch.equal(one.state_dict()[name], weight) for name, weight in other.state_dict().items())
    torch.manual_seed(1)
    third = fold_network(module, FoldSpec(2), IMAGE, where="test")
    assert not torch.equal(third.body.heads[0].linear.weight, one.body.heads[0].linear.weight)
    norm = one.body.stages[0][0][1]
    assert torch.equal(norm.running_mean, torch.zeros(8))
    assert torch.equal(norm.running_var, torch.ones(8))
    assert int(norm.num_batches_tracked) == 0
    kernel = folded(nn.Sequential(nn.Conv2d(3, 500, 3), nn.Flatten(), nn.Linear(500 * 80, 2))).body[0].weight
    assert kernel.std().item() == pytest.approx((2 / (9 * len(kernel))) ** 0.5, rel=0.02)
    assert all(weight.requires_grad for weight in one.parameters())


class Parts(nn.Module):
    """Depthwise and grouped convolutions, squeeze-excite, concatenation, other norms, two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, padding=1)
        self.deep = nn.Conv2d(12, 24, 3, padding=1, groups=12)
        self.point = nn.Conv2d(24, 12, 1)
        self.grouped = nn.Conv2d(12, 18, 3, stride=2, padding=1, groups=3)
        self.norm, self.act = nn.GroupNorm(6, 18), nn.PReLU(18)
        self.squeeze, self.excite = nn.Conv2d(18, 4, 1), nn.Conv2d(4, 18, 1)
        self.up = nn.ConvTranspose2d(18, 6, 2, stride=2)
        self.last = nn.LayerNorm(18)
        self.hidden, self.fc = nn.Linear(18, 7), nn.Linear(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem(x))
        x = x + self.point(self.deep(x))
        y = self.act(self.norm(self.grouped(x)))
        y = y * torch.sigmoid(self.excite(functional.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        both = torch.cat([x, self.up(y)], 1).mean((2, 3))
        return self.fc(functional.dropout(functional.relu(self.hidden(self.last(both))), training=self.training))


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
@pytest.mark.parametrize("widths", ["exact", "multiple-of-8"])
def test_layers_follow(factor, widths):
    network = folded(Parts(), factor, widths)
    spec, body = FoldSpec(factor, widths), network.body
    fits = {12: 3, 18: 6}  # grouped takes 12 and makes 18 in 3 groups; the norm has 6
    twelve, eighteen, six = (spec.width(old, fits) for old in (12, 18, 6))
    assert body.stem.weight.shape == (twelve, 3 * factor, 3, 3)
    assert body.deep.weight.shape == (2 * twelve, 1, 3, 3)
    assert body.deep.groups == twelve
    assert body.grouped.weight.shape == (eighteen, twelve // 3, 3, 3)
    assert (body.norm.num_groups, body.norm.num_channels, len(body.act.weight)) == (6, eighteen, eighteen)
    assert (body.squeeze.out_channels, body.excite.in_channels) == (spec.width(4, {}),) * 2
    assert body.up.weight.shape == (eighteen, six, 2, 2)
    assert body.last.normalized_shape == (twelve + six,)
    assert (body.hidden.in_features, body.fc.out_features) == (twelve + six, 4 * factor)
    (logits,) = network.train()(torch.rand(2, factor, *IMAGE))
    logits.sum().backward()
    assert logits.shape == (2, factor, 4)
    assert all(weight.grad is not None for weight in network.parameters())


class Ends(nn.Module):
    """Logits that are made in several ways, each behind features of `width`."""

    def __init__(self, end: str) -> None:
        super().__init__()
        self.end = end
        self.conv, self.norm = nn.Conv2d(3, 10, 3), nn.BatchNorm2d(10)
        self.map, self.map_norm = nn.Conv2d(10, 4, 1), nn.BatchNorm2d(4)
        self.one, self.two = nn.Linear(10, 4), nn.Linear(10, 4)
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.conv(x)))
        flat = x.mean((2, 3))
        maps = self.map_norm(self.map(x))
        unused = 0 * (self.one(flat).sum(1) + self.two(flat).sum(1) + maps.sum((1, 2, 3)))[:, None]
        made = {
            "map": lambda: functional.relu(maps).mean((2, 3)),
            "pooled": lambda: functional.adaptive_avg_pool2d(maps, 1).flatten(1),
            "sum": lambda: self.one(flat) + self.two(flat) * self.scale,
            "parts": lambda: torch.cat([self.one(flat), self.two(flat)], 1),
            "clamped": lambda: self.one(flat).clamp(-9, 9) / 2 - 1,
        }
        return made[self.end]() if self.training else made[self.end]() + unused.detach()


@pytest.mark.parametrize(("end", "classes"), [("map", 4), ("pooled", 4), ("sum", 4), ("parts", 8), ("clamped", 4)])
def test_the_layers_that_make_logits_are_found_behind_what_keeps_classes_apart(end, classes):
    network = folded(Ends(end), 3, "exact").eval()
    makers = {"map": ["map"], "pooled": ["map"], "sum": ["one", "two"], "parts": ["one", "two"], "clamped": ["one"]}[
        end
    ]
    for name in ("map", "one", "two"):
        layer = getattr(network.body, name)
        expected = 12 if name in makers else 6
        assert len(layer.weight) == expected, name
    assert network(torch.rand(2, 3, *IMAGE))[0].shape == (2, 3, classes)


def test_a_head_that_reads_another_exits_logits():
    class Chained(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)
            self.first, self.second = nn.Linear(8, 3), nn.Linear(11, 3)

        def forward(self, x: Tensor) -> list[Tensor]:
            flat = self.conv(x).mean((2, 3))
            early = self.first(flat)
            return [early, self.second(torch.cat([flat, early], 1))]

    network = folded(Chained(), 2)
    assert (network.body.first.out_features, network.body.second.in_features) == (6, 22)
    assert [exit_.shape for exit_ in network(torch.rand(2, 2, *IMAGE))] == [(2, 2, 3)] * 2


def test_a_layer_that_runs_twice_alike_is_widened_once():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.block = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
            self.fc = nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = functional.relu(self.block(self.stem(x)), inplace=True)
            return self.fc(self.block(x).mean((2, 3)))

    assert folded(Twice(), 4).body.block.weight.shape == (16, 16, 3, 3)


CUTS = {
    "halves": (lambda x, conv: torch.cat([x.chunk(2, 1)[0], conv(x.chunk(2, 1)[1])], 1), (5, 5), 10),
    "halves by size": (
        lambda x, conv: torch.cat([conv(x[:, : x.shape[1] // 2]), x[:, x.shape[1] // 2 :]], 1),
        (5, 5),
        10,
    ),
    "every second": (lambda x, conv: conv(x[:, ::2]), (5, 10), 10),
    "one by one": (lambda x, conv: conv(torch.stack(x.unbind(1), 1)), (10, 10), 10),
    "corner": (lambda x, conv: conv(x[:, :, :1, 1:3]), (10, 10), 10),
    "attention in forward": (
        lambda x, conv: conv(functional.scaled_dot_product_attention(x, x, x)),
        (10, 10),
        10,
    ),
}


@pytest.mark.parametrize("case", CUTS)
@pytest.mark.parametrize(("factor", "widths"), [(2, "exact"), (3, "multiple-of-8")])
def test_slices_that_follow_the_width(case, factor, widths):
    function, (takes, makes), width = CUTS[case]

    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.conv = nn.Conv2d(3, 10, 1), nn.Conv2d(takes, makes, 1)
            self.fc = nn.Linear(width, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(function(self.first(x), self.conv).mean((2, 3)))

    folded = fold_network(Cut(), FoldSpec(factor, widths), (3, 4, 4), where="test").eval()
    (logits,) = folded(torch.rand(2, factor, 3, 4, 4))
    assert logits.shape == (2, factor, 3)


def test_a_channel_that_a_relu_hides_in_the_example_is_no_refusal():
    class Hidden(nn.Module):
        """Each channel by itself, so that a dead one reaches nothing."""

        def __init__(self) -> None:
            super().__init__()
            self.own, self.fc = nn.Conv2d(2, 2, 1, groups=2), nn.Linear(2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(functional.relu(self.own(x) - 2).mean((2, 3)))

    for seed in range(20):
        torch.manual_seed(seed)
        folded = fold_network(Hidden(), FoldSpec(4), (2, 4, 4), where="test")
        assert (folded.body.own.groups, folded.body.fc.out_features) == (8, 12)
        assert folded(torch.rand(5, 4, 2, 4, 4))[0].shape == (5, 4, 3)


def test_frozen_weights_do_not_hide_the_exits():
    network = folded(branchy().requires_grad_(False), 2)
    assert [head.linear.out_features for head in network.body.heads] == [10, 10]
