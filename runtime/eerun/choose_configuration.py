"""Choose one of the ways to run a bundle."""

import logging
from typing import NamedTuple

from eengines.backends import BACKENDS, DEVICE_BACKENDS, find_device_backend, load_backend
from eengines.device import Device
from eengines.errors import EngineError, UserError
from eengines.targets import PRECISIONS
from eerun.bundle import Bundle, ConfigurationEntry
from eerun.configuration import Configuration, HostConfiguration
from eerun.device_configuration import DeviceConfiguration, HostOnDevice
from eerun.device_settings import DeviceSettings

__all__ = ["AUTO", "Usable", "choose_configuration", "usable_configurations"]

AUTO = "auto"

_log = logging.getLogger("eerun")


def choose_configuration(
    bundle: Bundle, *, engine: str = AUTO, precision: str = AUTO, device: DeviceSettings | None = None
) -> Configuration:
    """Return the fastest way to run a bundle here, as the build measured, that fits what the caller asks for.

    An engine of the CPU that the build did not measure runs the float32 graphs, with the costs of the engine that was
    measured.

    Args:
        bundle: an opened bundle.
        engine: name of a backend, or `auto`.
        precision: `float32`, `float16`, `bfloat16`, `int8`, or `auto`.
        device: which GPU, and how; with a CPU device, engines of the host run on it.

    Raises:
        UserError: an unknown engine or precision, or one that the bundle does not have.
        EngineError: no engine that fits is installed, or the bundle was not prepared for this card.
    """
    _check_names(engine, precision)
    settings, reasons = device or DeviceSettings(), list[str]()
    for entry in bundle.manifest.configurations:
        if engine not in (AUTO, entry.engine) or precision not in (AUTO, entry.precision):
            continue
        found = _usable(bundle, entry, settings, reasons)
        if found is not None:
            _say_unused(found, settings)
            if reasons:
                _log.warning("%s: running %s %s; %s", bundle.path, entry.engine, entry.precision, "; ".join(reasons))
            return found
    if engine in BACKENDS and precision in (AUTO, "float32") and not reasons:
        entries = (entry for entry in bundle.manifest.configurations if entry.device is None)
        entry = next(entry for entry in entries if entry.precision == "float32")
        host = _on_host(bundle, entry, engine, settings)
        _say_unused(host, settings)
        return host
    raise _refusal(bundle, engine, precision, reasons)


def _say_unused(way: Configuration, settings: DeviceSettings) -> None:
    """Say that settings of a GPU do nothing on the CPU."""
    if isinstance(way, HostConfiguration) and settings.chosen:
        flags = ", ".join(settings.chosen)
        _log.warning("%s: %s: not used, %s runs on the CPU", way.bundle.path, flags, way.words)


class Usable(NamedTuple):
    """The configurations of a bundle that can run here, in its order, and why the others cannot."""

    configurations: tuple[Configuration, ...]
    reasons: tuple[str, ...]


def usable_configurations(bundle: Bundle, device: DeviceSettings | None = None) -> Usable:
    """Return every way to run a bundle here that its build measured."""
    reasons: list[str] = []
    found = [_usable(bundle, entry, device or DeviceSettings(), reasons) for entry in bundle.manifest.configurations]
    return Usable(tuple(way for way in found if way is not None), tuple(reasons))


def _check_names(engine: str, precision: str) -> None:
    engines = (AUTO, *BACKENDS, *DEVICE_BACKENDS)
    if engine not in engines:
        raise UserError("--engine", f"got {engine!r}, known are {', '.join(engines)}", "Choose one of these")
    if precision not in (AUTO, *PRECISIONS):
        raise UserError(
            "--precision", f"got {precision!r}, known are {AUTO}, {', '.join(PRECISIONS)}", "Choose one of these"
        )


def _refusal(bundle: Bundle, engine: str, precision: str, reasons: list[str]) -> EngineError | UserError:
    """Why nothing fits."""
    where = str(bundle.path)
    if reasons:
        return EngineError(where, "; ".join(reasons), "Install what is named, or choose another with --engine")
    if engine in DEVICE_BACKENDS:
        return EngineError(
            where,
            f"it has no engines of {engine} that were measured on a card",
            f"Run `eecompile engines {bundle.path.name} --engine {engine}` on the machine that has the card",
        )
    names = ", ".join(entry.name for entry in bundle.manifest.configurations)
    return UserError(
        where,
        f"it has no configuration for --engine {engine} --precision {precision}, it has {names}",
        "Choose one of these, or build again with what you need",
    )


def _usable(
    bundle: Bundle, entry: ConfigurationEntry, settings: DeviceSettings, reasons: list[str]
) -> Configuration | None:
    """A configuration, if it can be used here; otherwise note why not."""
    if entry.device is not None:
        return _usable_on_device(bundle, entry, settings, reasons)
    if entry.engine not in BACKENDS:
        reasons.append(f"{entry.name}: this eerun has no engine {entry.engine!r}")
        return None
    try:
        capability = load_backend(entry.engine).probe()
    except EngineError as error:
        reasons.append(f"{entry.name}: {error.problem}")
        return None
    if entry.precision not in capability.precisions:
        reasons.append(f"{entry.name}: this machine's {entry.engine} has no {entry.precision}")
        return None
    return _on_host(bundle, entry, entry.engine, settings)


def _on_host(bundle: Bundle, entry: ConfigurationEntry, engine: str, settings: DeviceSettings) -> Configuration:
    """A configuration of the CPU; on a CPU device if the caller gave one."""
    load_backend(engine)
    if isinstance(settings.device, int) or settings.device.compute_capability is not None:
        return HostConfiguration(bundle=bundle, entry=entry, backend=engine)
    if bundle.manifest.lengths:
        problem = "it has a dynamic sequence length, which the device executor does not run yet"
        raise EngineError(str(bundle.path), problem, "Leave the device out, and run it on the CPU")
    return HostOnDevice(bundle=bundle, entry=entry, backend=engine, device=settings.device, settings=settings)


def _usable_on_device(
    bundle: Bundle, entry: ConfigurationEntry, settings: DeviceSettings, reasons: list[str]
) -> Configuration | None:
    """A configuration of a GPU, if this is such a GPU."""
    assert entry.device is not None  # noqa: S101 - asked before
    if entry.engine not in DEVICE_BACKENDS:
        reasons.append(f"{entry.name}: this eerun has no engine {entry.engine!r}")
        return None
    backend = find_device_backend(entry.engine, ordinal=settings.ordinal)
    capability = backend.probe()
    if not capability.ok:
        reasons.append(f"{entry.name}: {capability.reason}")
        return None
    device = open_device(settings.device)
    if device.name != entry.device.name:
        reasons.append(f"{entry.name}: measured on {entry.device.name}, here is {device.name}")
        return None
    return DeviceConfiguration(bundle=bundle, entry=entry, backend=backend, device=device, settings=settings)


def open_device(device: int | Device) -> Device:
    """Open a GPU by its number; a device that is open is returned."""
    if not isinstance(device, int):
        return device
    from eengines.devices.cuda import open_cuda_device

    return open_cuda_device(device)
