"""Samples of one call that go to the same lane."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eengines.device import DeviceView
from eengines.tensors import Array

__all__ = ["Share"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Share:
    """Which samples of a call go to a lane, as the lane takes them.

    Attributes:
        lane: number of the lane.
        count: how many samples.
        inputs: arrays `[count, ...]`; of a sequence network padded or cut to the length of the lane.
        samples: `[count] intp`, which samples of the call; None: all of them, in their order.
    """

    lane: int
    count: int
    inputs: Mapping[str, Array | DeviceView]
    samples: NDArray[np.intp] | None = None
