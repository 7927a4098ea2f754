"""Version of NVIDIA's driver, the same text each time on the same machine: it is part of the keys of plans.

NVML knows the version too, but containers have it only with the `utility` capability; here it is not asked.
"""

import re
from pathlib import Path
from typing import Any

from eengines.devices.cuda_driver import check

__all__ = ["driver_version"]

KERNEL_MODULE = Path("/proc/driver/nvidia/version")
"""Written by the kernel's part of the driver; containers see it too. Windows' Linux (WSL) has none."""

RELEASE = re.compile(r"^NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s", re.MULTILINE)


def driver_version(driver: Any) -> str:
    """Return release and CUDA version, as `580.65.06 (CUDA 13.0)`; without a readable release, `CUDA 13.0`.

    Args:
        driver: bindings of the driver, which has been started.

    Raises:
        EngineError: the driver does not answer.
    """
    version = check(driver.cuDriverGetVersion(), "asking for the driver's version")
    words = f"CUDA {version // 1000}.{version % 1000 // 10}"
    try:
        found = RELEASE.search(KERNEL_MODULE.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return words
    return f"{found[1]} ({words})" if found else words
