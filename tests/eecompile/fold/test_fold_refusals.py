"""What cannot be folded is refused by the name of the module, with what to do."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eecompile.fold import FoldSpec, fold_network
from eengines.errors import IngestError

IMAGE = (3, 12, 12)


class Net(nn.Module):
    """A convolution, something in the middle, a linear layer on the mean."""

    def __init__(
        self, middle: nn.Module | None = None, *, width: int = 8, end: Callable[[Tensor], object] = lambda x: x
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.middle = middle or nn.Identity()
        self.fc = nn.Linear(width, 4)
        self.end = end

    def forward(self, x: Tensor) -> object:
        x = self.middle(self.conv(x))
        return self.end(self.fc(x.mean((2, 3)) if x.ndim == 4 else x))


class ChannelsFirst(nn.LayerNorm):
    """A norm over channels that changes axes inside."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Start(nn.Module):
    """Takes something of the input in front of the first layer."""

    def __init__(self, start: Callable[[Tensor], Tensor], channels: int) -> None:
        super().__init__()
        self.start, self.conv, self.fc = start, nn.Conv2d(channels, 8, 3), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(self.start(x)).mean((2, 3)))


class Streams(nn.Module):
    """Half of the channels has an exit of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.color, self.depth = nn.Conv2d(2, 8, 3), nn.Conv2d(2, 8, 3)
        self.early, self.late = nn.Linear(8, 4), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        color, depth = x.chunk(2, 1)
        color, depth = self.color(color).mean((2, 3)), self.depth(depth).mean((2, 3))
        return self.early(color), self.late(torch.cat([color, depth], 1))


class Function(nn.Module):
    """A function as a module; `inner` are modules that it uses."""

    def __init__(self, function: Callable[..., Tensor], *inner: nn.Module) -> None:
        super().__init__()
        self.function, self.inner = function, nn.ModuleList(inner)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.inner)


def gate() -> nn.Module:
    """A module with weights of its own."""
    module = Function(lambda x: x)
    module.gain = nn.Parameter(torch.ones(8, 1, 1))
    return module


def constant() -> nn.Module:
    """A module that takes a mean from its input."""
    module = Function(lambda x: x - module.mean)
    module.register_buffer("mean", torch.zeros(8, 1, 1))
    return module


def tied() -> nn.Module:
    first, second = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
    second.weight = first.weight
    return nn.Sequential(first, second)


def tokens(x: Tensor, attention: nn.Module) -> Tensor:
    rows = x.flatten(2).transpose(1, 2)
    return attention(rows, rows, rows)[0].mean(1)


def zero_padded(x: Tensor, conv: nn.Module) -> Tensor:
    return conv(x) + functional.pad(x, (0, 0, 0, 0, 4, 4))


def twice(x: Tensor, conv: nn.Module) -> Tensor:
    return conv(torch.cat([conv(x), x], 1)) if x.shape[1] == 16 else conv(x)


def refuse(
    module: nn.Module,
    words: str,
    *,
    factor: int = 2,
    widths: str = "multiple-of-8",
    image: tuple[int, int, int] = IMAGE,
) -> None:
    with pytest.raises(IngestError, match=words) as caught:
        fold_network(module.train(), FoldSpec(factor, widths), image, where="net.pt")
    assert caught.value.where.startswith("net.pt")
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert all(part.training for part in module.modules())


MIDDLES = {
    "own weights": (
        gate(),
        8,
        r"module 'middle': has the weights 'gain' of its own \(Function\), which folding does not",
    ),
    "attention": (
        Function(tokens, nn.MultiheadAttention(8, 2, batch_first=True)),
        8,
        r"module 'middle\.inner\.0': is attention, whose heads have a fixed width",
    ),
    "recurrent": (Function(lambda x, _: x, nn.GRU(8, 8)), 8, r"module 'middle\.inner\.0': is a recurrent layer"),
    "one dimension": (
        Function(lambda x, c: c(x.flatten(2)), nn.Conv1d(8, 8, 1)),
        8,
        r"module 'middle\.inner\.0': has the weights 'weight' of its own \(Conv1d\)",
    ),
    "tied": (tied(), 8, r"module 'middle\.1': shares its weight with middle\.0"),
    "old weight norm": (
        nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 1)),
        8,
        r"module 'middle.*': has the weights 'original0' of its own",
    ),
    "does not run": (
        Function(lambda x, _: x, nn.Conv2d(8, 8, 1)),
        8,
        r"module 'middle\.inner\.0': 1 layers with weights do not run .*eecompile heads --prune",
    ),
    "as a function": (
        Function(lambda x, conv: functional.conv2d(x, conv.weight[:, :8]), nn.Conv2d(8, 8, 1)),
        8,
        r"module 'middle': forward of the folded network fails on \[2, 12, 12, 12\]: .*Write forward so that it takes",
    ),
    "view that fails": (
        Function(lambda x: x.view(2, 8, 144).mean(2)),
        8,
        r"module 'middle': forward of the folded network fails .*shape '\[2, 8, 144\]' is invalid",
    ),
    "view that mixes rows": (
        Function(lambda x: x.view(-1, 8, 12, 12)),
        8,
        r"module 'fc': is given 8 features in the folded network, 8 before, expected more",
    ),
    "slice": (
        Function(lambda x, conv: conv(x[:, :8]), nn.Conv2d(8, 8, 1)),
        8,
        r"module 'middle\.inner\.0': is given 8 features in the folded network, 8 before, expected more",
    ),
    "rest of a slice": (
        Function(lambda x, conv: torch.cat([x[:, :3], conv(x[:, 3:])], 1), nn.Conv2d(5, 5, 1)),
        8,
        r"module 'middle': takes 0 to 3 of 8 features before, and 0 to 3 of 16 features in the folded network: a slice "
        r"that does not grow.*\(x\.shape, chunk\)",
    ),
    "slice from the end": (
        Function(lambda x, conv: torch.cat([x, conv(x[:, 6:])], 1), nn.Conv2d(2, 8, 1)),
        16,
        r"module 'middle': takes 6 to 8 of 8 features before, and 6 to 16 of 16",
    ),
    "one feature": (
        Function(lambda x: x * x[:, 3:4].sigmoid()),
        8,
        r"module 'middle': takes 3 to 4 of 8 features before, and 3 to 4 of 16",
    ),
    "picked features": (
        Function(lambda x, conv: x + conv(x)[:, torch.arange(8)].mean(1, keepdim=True), nn.Conv2d(8, 8, 1)),
        8,
        r"module 'middle': takes 0 to 8 of 8 features before, and 0 to 8 of 16",
    ),
    "selected features": (
        Function(lambda x: x + x.index_select(1, torch.tensor([1, 2])).mean(1, keepdim=True)),
        8,
        r"module 'middle': takes 0 to 2 of 8 features before, and 0 to 2 of 16",
    ),
    "other slices when wider": (
        Function(lambda x: x if x.shape[1] == 8 else x + x[:, ::2].mean(1, keepdim=True)),
        8,
        r"module 'middle': cuts its features apart in another way when the network is folded",
    ),
    "norm with a forward of its own": (
        ChannelsFirst(8),
        8,
        r"module 'middle': forward of .* fails .*\. ChannelsFirst is a LayerNorm with a forward of its own",
    ),
    "constant as a buffer": (
        constant(),
        8,
        r"module 'middle': forward of .* fails .*\. If it computes with its buffer mean, that does not grow",
    ),
    "view into the image": (
        Function(lambda x, norm: norm(x.reshape(2, 8, -1, 12)), nn.BatchNorm2d(8)),
        8,
        r"module 'fc': is given 8 features",
    ),
    "zero padding": (
        Function(zero_padded, nn.Conv2d(8, 16, 1)),
        16,
        r"module 'middle': forward of the folded network fails .*The size of tensor a \(32\) must match",
    ),
    "constant of a width": (
        Function(lambda x: x - torch.zeros(8, 1, 1)),
        8,
        r"module 'middle': forward of the folded network fails",
    ),
    "other modules when wider": (
        Function(lambda x, act: act(x) if x.shape[1] == 8 else x, nn.ReLU()),
        8,
        r"module 'middle\.inner\.0': runs in another order or another number of times when the network is folded",
    ),
}


@pytest.mark.parametrize("case", MIDDLES)
def test_a_middle_that_cannot_follow(case):
    middle, width, words = MIDDLES[case]
    refuse(Net(middle, width=width), words, factor=4)


def softmax(x: Tensor) -> Tensor:
    return x.softmax(1)


ENDS = {
    "softmax": (
        softmax,
        r"exit 0: mixes its classes behind fc, as a softmax or a norm does.*Let forward return logits",
    ),
    "log softmax": (lambda x: x.log_softmax(1), "exit 0: mixes its classes behind fc"),
    "norm": (lambda x: functional.normalize(x), "exit 0: mixes its classes behind fc"),
    "centred": (lambda x: x - x.mean(1, keepdim=True), "exit 0: mixes its classes behind fc"),
    "late classes": (
        lambda x: torch.cat([x[:, :2], x[:, 2:].log_softmax(1)], 1),
        "exit 0: mixes its classes behind fc",
    ),
    "norm that is cut off": (lambda x: x / x.detach().norm(dim=1, keepdim=True), "exit 0: mixes its classes behind fc"),
    "mean that is cut off": (lambda x: x - x.detach().mean(1, keepdim=True), "exit 0: mixes its classes behind fc"),
    "second exit": (lambda x: (x, x.softmax(1)), "exit 1: mixes its classes behind fc"),
    "sliced classes": (lambda x: x[:, :3], r"makes logits \[2, 3\] when folded, expected \[2, 6\]"),
    "classes in a view": (lambda x: x.view(-1, 4), r"forward: makes \[4, 4\] in the folded network, \[2, 4\] before"),
    "a dictionary": (lambda x: {"logits": x}, "forward returned dict, expected tensors"),
    "no gradient": (lambda x: x.detach(), "exit 0: is not made by a convolution or linear layer"),
    "labels": (lambda x: x.argmax(1), r"exit 0: makes \[2\] for 2 images, expected logits \[2, classes\]"),
    "a map": (lambda x: x[:, :, None, None], r"exit 0: makes \[2, 4, 1, 1\] for 2 images, expected logits"),
}


@pytest.mark.parametrize("case", ENDS)
def test_an_end_that_cannot_follow(case):
    end, words = ENDS[case]
    refuse(Net(end=end), words)


STARTS = {
    "without the first channel": (
        lambda x: x[:, 1:],
        2,
        r"forward: takes 1 to 3 of 3 features before, and 1 to 6 of 6",
    ),
    "without the last channel": (
        lambda x: x[:, :-1],
        2,
        r"forward: takes 0 to 2 of 3 features before, and 0 to 5 of 6",
    ),
    "every second channel": (lambda x: x[:, ::2], 2, r"exit 0: reads channel 0 of image 0 of 2, and not of the others"),
}


@pytest.mark.parametrize("case", STARTS)
def test_a_start_that_takes_a_part_of_each_image(case):
    start, channels, words = STARTS[case]
    refuse(Start(start, channels), words)


def test_an_exit_that_half_of_the_images_would_not_reach():
    words = r"exit 0: reads channel 0 of image 0, 1 of 4, and not of the others, when folded"
    refuse(Streams(), words, factor=4, image=(4, 12, 12))


def test_classes_beyond_the_first_are_looked_at():
    network = Net(end=lambda x: torch.cat([x[:, :20], x[:, 20:].log_softmax(1)], 1))
    network.fc = nn.Linear(8, 40)
    refuse(network, "exit 0: mixes its classes behind fc")


def test_a_narrow_layer_excuses_no_slice_elsewhere():
    class Narrow(Net):
        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            gate = self.middle[1](self.middle[0](x.mean((2, 3), keepdim=True)))
            return self.fc(self.middle[2]((x * gate.sigmoid())[:, :8]).mean((2, 3)))

    narrow = nn.Sequential(nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1), nn.Conv2d(8, 8, 1))
    refuse(Narrow(narrow), r"module 'middle\.2': is given 8 features in the folded network, 8 before", widths="exact")


def test_a_layer_with_two_widths():
    class Shared(Net):
        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return self.end(self.fc(self.middle(torch.cat([self.middle(x)[:, : x.shape[1] // 2]] * 2, 1)).mean((2, 3))))

    refuse(
        Shared(nn.Conv2d(8, 8, 1), width=8),
        r"middle': is used with 13 features and again with 12",
        factor=3,
        widths="exact",
    )


def test_groups_that_a_concatenation_does_not_fit():
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 5, 1), nn.Conv2d(3, 4, 1)
            self.grouped, self.fc = nn.Conv2d(9, 9, 1, groups=3), nn.Linear(9, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.grouped(torch.cat([self.one(x), self.two(x)], 1)).mean((2, 3)))

    refuse(Wide(), r"module 'grouped': has 3 groups, which 16 features cannot be shared among")


@pytest.mark.parametrize("shape", [(12,), (4, 3, 12, 12), (12, 12)])
def test_samples_that_are_no_images(shape):
    with pytest.raises(IngestError, match=r"takes samples of shape .*, expected images \[channels, height, width\]"):
        fold_network(Net(), FoldSpec(2), shape, where="net.pt")


def test_a_network_that_does_not_take_the_image():
    with pytest.raises(IngestError, match=r"net.pt: module 'conv': forward of the network fails on \[2, 1, 12, 12\]"):
        fold_network(Net(), FoldSpec(2), (1, 12, 12), where="net.pt")


def test_a_network_without_weights():
    with pytest.raises(IngestError, match="has no weights"):
        fold_network(nn.Flatten(), FoldSpec(2), IMAGE, where="net.pt")


def test_a_weight_of_one_number_fits_any_width():
    network = Net(end=lambda x: x)
    network.middle = Function(lambda x: x * network.middle.gain)
    network.middle.gain = nn.Parameter(torch.tensor(3.0))
    folded = fold_network(network, FoldSpec(2), IMAGE, where="net.pt")
    assert folded.body.middle.gain.item() == 3.0
