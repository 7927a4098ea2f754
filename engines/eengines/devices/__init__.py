"""Devices: one file each, all with the methods of `eengines.device.Device`."""
