"""Where training runs, and in which precision."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from eecompile.train.settings import TrainSettings
from eengines.errors import UserError

__all__ = ["Arithmetic", "choose_arithmetic"]

CPU_FLAGS = Path("/proc/cpuinfo")
FLAG_OF_BFLOAT16_UNITS = "amx_bf16"


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """Where training runs, and in which precision.

    Attributes:
        device: torch's device.
        dtype: of convolutions and matrix products; weights, losses and measurements are float32 in any case.
    """

    device: torch.device
    dtype: torch.dtype

    @property
    def stored(self) -> torch.dtype:
        """In which type features are kept.

        float32 loses nothing. bfloat16 arithmetic rounds what enters a product to bfloat16 anyway, and bfloat16 has
        float32's range. float16 has not: a feature above 65,504 would become infinite, so those are kept in float32.
        """
        return torch.bfloat16 if self.dtype is torch.bfloat16 else torch.float32

    def mixed(self) -> AbstractContextManager[object]:
        """While it lasts, torch computes products in `dtype`."""
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    @contextmanager
    def repeatable(self) -> Iterator[None]:
        """While it lasts, a GPU's convolutions are the same in every run, and float32 is float32, not TF32."""
        if self.device.type != "cuda":
            yield
            return
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield

    def __str__(self) -> str:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU"
        return f"{name}, {str(self.dtype).removeprefix('torch.')}"


def choose_arithmetic(settings: TrainSettings) -> Arithmetic:
    """Take what the settings say; for `auto`, what this machine has.

    Raises:
        UserError: a GPU where torch sees none, or float16 on a CPU.
    """
    available = torch.cuda.is_available()
    if settings.device == "cuda" and not available:
        problem = f"torch {torch.__version__} sees no GPU, expected one"
        raise UserError("--train-device cuda", problem, "Install torch with CUDA, or leave it at auto")
    device = torch.device("cuda" if available and settings.device != "cpu" else "cpu")
    if settings.precision == "float16" and device.type == "cpu":
        problem = "got a CPU, expected a GPU: small gradients need the scaling that torch has for GPUs"
        raise UserError("--train-precision float16", problem, "Take bfloat16 or float32")
    if settings.precision == "auto":
        return Arithmetic(device=device, dtype=torch.bfloat16 if _has_bfloat16_units(device) else torch.float32)
    return Arithmetic(device=device, dtype=getattr(torch, settings.precision))


def _has_bfloat16_units(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags = CPU_FLAGS.read_text() if CPU_FLAGS.is_file() else ""
    return FLAG_OF_BFLOAT16_UNITS in flags.split()
