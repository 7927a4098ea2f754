"""What the backends of TensorRT and TensorRT for RTX have in common: all but name and library."""

from collections.abc import Callable, Mapping
from pathlib import Path

from eengines.device import Device
from eengines.device_engine import DeviceEngine, Plan, PlanOptions
from eengines.engine import Capability
from eengines.errors import EngineError
from eengines.nvinfer.build_plan import PlanBuilder
from eengines.nvinfer.cards import Card, card_precisions, choose_card, sm
from eengines.nvinfer.differences import is_rtx
from eengines.nvinfer.library import Library
from eengines.nvinfer.library_api import TensorRt
from eengines.nvinfer.plan_engine import load_plan
from eengines.nvinfer.timing_cache import default_timing_cache

__all__ = ["NvInferBackend"]


class NvInferBackend:
    """Builds and loads plans with a library; see `DeviceBackend`.

    Args:
        library: which.
        ordinal: of the GPU that it probes, builds on and is loaded on, as the driver counts.
        timing_cache: file in which times of tactics are kept between builds; None: the user's own.
        keep_times: whether they are kept.
    """

    def __init__(
        self, library: Library, *, ordinal: int = 0, timing_cache: Path | None = None, keep_times: bool = True
    ) -> None:
        self._library = library
        self._ordinal = ordinal
        self._timing_cache = timing_cache
        self._keep_times = keep_times

    @property
    def has_plans(self) -> bool:
        """Plans take long, and are worth keeping."""
        return True

    def probe(self) -> Capability:
        """Say whether the library is installed, and a card for it is here."""
        try:
            trt = self._library.load()
            found = _probe_device(self._ordinal)
            if not found.ok:
                return Capability(ok=False, reason=found.reason)
            return self._yes(trt, choose_card(trt, self._library.title, None, self._found_card()))
        except EngineError as error:
            return _no(error)

    def probe_build(self, compute_capability: Card | None) -> Capability:
        """Say whether plans for a card can be built on this machine."""
        try:
            trt = self._library.load()
            card = choose_card(trt, self._library.title, compute_capability, self._found_card())
        except EngineError as error:
            return _no(error)
        return self._yes(trt, card)

    def identity(self, options: PlanOptions) -> Mapping[str, str]:
        """Library, version and compute capability; with full TensorRT also the card and its driver."""
        trt = self._library.load()
        card = choose_card(trt, self._library.title, options.compute_capability, self._found_card())
        parts = {self._library.title: trt.__version__, "compute capability": "{}.{}".format(*card)}
        if is_rtx(trt):
            return parts
        device = _open_device(self._ordinal)
        return {**parts, "GPU": device.name, "driver": device.driver}

    def build(self, graph: bytes, options: PlanOptions, progress: Callable[[float], None]) -> Plan:
        """Build a plan; see `DeviceBackend.build`."""
        trt = self._library.load()
        card = choose_card(trt, self._library.title, options.compute_capability, self._found_card())
        device = None if is_rtx(trt) else _open_device(self._ordinal)  # TensorRT for RTX builds on no card
        builder = PlanBuilder(
            trt=trt, title=self._library.title, card=card, device=device, timing_cache=self._times_of(trt, device)
        )
        return builder.build(graph, options, progress)

    def load(self, plan: Plan, device: Device) -> DeviceEngine:
        """Load a plan; see `DeviceBackend.load`."""
        return load_plan(self._library.load(), self._library.title, plan, device)

    def _times_of(self, trt: TensorRt, device: Device | None) -> Path | None:
        """The file of the times that a build on a card may use; None: there is none."""
        if not self._keep_times or device is None:
            return None
        return self._timing_cache or default_timing_cache(trt.__version__, device.name)

    def _found_card(self) -> Card | None:
        """Compute capability of the card that is here; None: there is none."""
        return _open_device(self._ordinal).compute_capability if _probe_device(self._ordinal).ok else None

    def _yes(self, trt: TensorRt, card: Card) -> Capability:
        reason = f"{self._library.title} {trt.__version__} for {sm(card)}"
        return Capability(ok=True, reason=reason, precisions=card_precisions(trt, card))


def _no(error: EngineError) -> Capability:
    end = ":" if error.remedy.startswith("pip ") else "."
    return Capability(ok=False, reason=f"{error.problem}{end} {error.remedy}")


def _probe_device(ordinal: int) -> Capability:
    from eengines.devices.cuda import probe_cuda

    return probe_cuda(ordinal)


def _open_device(ordinal: int) -> Device:
    from eengines.devices.cuda import open_cuda_device

    return open_cuda_device(ordinal)
