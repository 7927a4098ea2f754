"""Multiply-accumulates of torch modules: what is counted, for one sample, up to a module."""

import pytest
import torch
from torch import Tensor, nn

from eecompile.module_macs import macs_until, module_macs


class Twice(nn.Module):
    """Uses one layer twice and another one never."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.again = nn.Linear(6, 6)
        self.unused = nn.Linear(6, 100)

    def forward(self, x: Tensor) -> Tensor:
        return self.again(self.again(self.first(x)))


@pytest.mark.parametrize("batch", [1, 3])
def test_convolutions_and_products_are_counted_for_one_sample(batch):
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=4),
        nn.ConvTranspose2d(8, 4, 2, stride=2),
        nn.Flatten(),
        nn.Linear(4 * 64, 5),
    )
    expected = 16 * 8 * 27 + 16 * 8 * 18 + 16 * 8 * 4 * 4 + 4 * 64 * 5
    assert module_macs(network, [torch.rand(batch, 3, 8, 8)]) == expected


def test_the_count_until_a_module_grows_in_the_order_of_running():
    network = Twice()
    found = macs_until(network, [torch.rand(2, 4)], ["unused", "again", "first", ""])
    assert found == {"first": 24, "again": 24 + 72, "": 24 + 72}
    assert list(found) == ["first", "again", ""]


def test_an_encoder_of_torch_is_counted_in_full():
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    fused = torch.backends.mha.get_fastpath_enabled()
    macs = module_macs(layer.eval(), [torch.rand(3, 5, 16)])
    assert macs == 5 * (4 * 16 * 16 + 2 * 16 * 32) + 2 * 5 * 5 * 16
    assert torch.backends.mha.get_fastpath_enabled() == fused


def test_counting_leaves_the_module_as_it_was():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5)).train()
    network[2].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    macs_until(network, [torch.rand(4, 1, 5, 5)], ["0", "1"])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [part.training for part in network] == [True, True, False]
    assert not any(part._forward_hooks for part in network.modules())


def test_a_failing_forward_leaves_nothing_behind():
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 5)).train()
    with pytest.raises(RuntimeError, match="shapes"):
        macs_until(network, [torch.rand(2, 4)], ["0"])
    assert network.training
    assert not network[0]._forward_hooks


def test_a_module_that_is_not_there_is_an_error():
    with pytest.raises(AttributeError, match="third"):
        macs_until(Twice(), [torch.rand(2, 4)], ["third"])


def test_the_meta_device_gives_the_same_count():
    real = module_macs(Twice(), [torch.rand(2, 4)])
    with torch.device("meta"):
        assert module_macs(Twice(), [torch.zeros(2, 4)]) == real
