"""Small networks train with few threads."""

import torch
from torch import Tensor, nn

from eecompile.fold import FoldedNetwork
from eecompile.fold_training.few_threads import few_threads, threads_for


def test_threads_follow_the_work():
    assert [threads_for(macs, 4) for macs in (0, 800_000_000, 2_500_000_000, 10**12)] == [1, 1, 2, 4]


def test_they_are_as_before_afterwards():
    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(24, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(x.flatten(1))

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with few_threads(FoldedNetwork(Body(), 2), (3, 2, 2), 8):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
