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
        if not _is_count(self.in_flight) or self.in_flight < 1:
            raise UserError("--in-flight", f"got {self.in_flight!r}, expected at least 1", "Give a positive number")
        if not hasattr(self.device, "use") and (not _is_count(self.device) or self.ordinal < 0):
            raise UserError("--device", f"got {self.device!r}, expected 0 or more", "Give the number of a GPU")

    @property
    def ordinal(self) -> int:
        """Number of the GPU; 0 for a device that is open."""
        return self.device if isinstance(self.device, int) else 0

    @property
    def chosen(self) -> tuple[str, ...]:
        """Flags of settings that are not the usual."""
        usual = DeviceSettings()
        flags = {"device": "--device", "in_flight": "--in-flight", "device_exits": "--device-exits"}
        return tuple(flag for name, flag in flags.items() if getattr(self, name) != getattr(usual, name))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
