"""What a user can choose where a bundle runs on a device."""

from dataclasses import dataclass

from eengines.device import Device
from eengines.errors import UserError

__all__ = ["DeviceSettings"]


@dataclass(frozen=True, kw_only=True)
class DeviceSettings:
    """Settings of the device executor; configurations of the CPU do not read them.

    Attributes:
        device: number of the GPU as CUDA counts them, or an opened device.
        in_flight: how many batches run at once; each takes memory for all buffers and contexts.
        device_exits: let the device go from exit to exit by itself (experimental, needs a driver of CUDA 12.8).
        trust_plans: take plans in the bundle that another user or machine built; a plan can run code.
    """

    device: int | Device = 0
    in_flight: int = 2
    device_exits: bool = False
    trust_plans: bool = False

    def __post_init__(self) -> None:
        if self.in_flight < 1:
            raise UserError("--in-flight", f"got {self.in_flight}, expected at least 1", "Give a positive number")
        if isinstance(self.device, int) and self.device < 0:
            raise UserError("--device", f"got {self.device}, expected 0 or more", "Give the number of a GPU")
