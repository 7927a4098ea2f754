"""The executor for devices with memory of their own: the decision is a kernel, several batches are in flight."""

from eerun.device_executor.device_chain import DeviceChain
from eerun.device_executor.executor import DeviceExecutor
from eerun.device_executor.whole import DeviceWhole

__all__ = ["DeviceChain", "DeviceExecutor", "DeviceWhole"]
