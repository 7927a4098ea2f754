"""The driver's version in keys: from what every container has, and never from NVML."""

from types import SimpleNamespace

import pytest

from eengines.devices import cuda_release
from eengines.devices.cuda_release import driver_version

DRIVER = SimpleNamespace(cuDriverGetVersion=lambda: (0, 12090))
PROPRIETARY = """NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (builder@host)  Sun Jul 27\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (PROPRIETARY, "535.104.05 (CUDA 12.9)"),
        (OPEN, "580.65.06 (CUDA 12.9)"),
        ("NVRM version: NVIDIA UNIX aarch64 Kernel Module  570.86  Fri\n", "570.86 (CUDA 12.9)"),
        ("something else 1.2.3 \n", "CUDA 12.9"),
        ("", "CUDA 12.9"),
        (None, "CUDA 12.9"),
    ],
)
def test_the_release_is_that_of_the_kernel_module(content, expected, tmp_path, monkeypatch):
    path = tmp_path / "version"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(cuda_release, "KERNEL_MODULE", path)
    assert driver_version(DRIVER) == expected
