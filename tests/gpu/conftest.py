"""The GPU that is here; without one every test of this folder is skipped, with the reason."""

import pytest

from eengines.device import Device
from eengines.devices.cuda import open_cuda_device, probe_cuda


@pytest.fixture(scope="session", autouse=True)
def needs_gpu() -> None:
    capability = probe_cuda()
    if not capability.ok:
        pytest.skip(f"no GPU: {capability.reason}")


@pytest.fixture(scope="session")
def device(needs_gpu: None) -> Device:
    return open_cuda_device()
