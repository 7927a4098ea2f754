"""Build a plan from an ONNX graph.

The types in the graph decide what is computed in; TF32 is off, so that float32 is float32. Each bucket is a profile
with one fixed batch size, all in one plan (ADR 13). A network that the library refuses for a known reason is changed
and built again, until it is built or nothing more can be changed.
"""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from eengines.device import Device
from eengines.device_engine import Plan, PlanOptions
from eengines.errors import EngineError
from eengines.nvinfer import api
from eengines.nvinfer.build_progress import BuildProgress, make_monitor
from eengines.nvinfer.cards import Card
from eengines.nvinfer.differences import never_allocate, set_card, share_profiles, watch, weak_typing
from eengines.nvinfer.interruptible import Report, run_interruptible
from eengines.nvinfer.library_api import TensorRt
from eengines.nvinfer.messages import messages
from eengines.nvinfer.parse_graph import ParsedGraph, parse_graph
from eengines.nvinfer.refusal import refusal
from eengines.nvinfer.repairs import repair
from eengines.nvinfer.timing_cache import read_timing_cache, write_timing_cache
from eengines.nvinfer.weak_types import allow_types

__all__ = ["PlanBuilder"]

LEVELS = range(6)

LARGEST_BATCH = 2**31 - 1
"""Sizes of axes are 32-bit integers in TensorRT 8.6, and later versions accept no more in front."""

LARGEST_WORKSPACE = 2**63 - 1
"""In bytes. The bindings take 64 bits; no card has more than a tiny part of it."""

_one_at_a_time = threading.Lock()
"""Builds of a process wait for each other. Full TensorRT times tactics on the card: a second build would disturb the
first. TensorRT for RTX 1.7 keeps the card to build for in a global of the process: builds for two cards at once fail
with "Target SM 89 is not found in the accelerator list"."""


@dataclass(frozen=True, kw_only=True)
class PlanBuilder:
    """A library, and what it builds for.

    Attributes:
        trt: the library.
        title: its name for people.
        card: that the plan is for.
        device: made current while building; None: the library needs none.
        timing_cache: file of times that builds share; None: not kept.
    """

    trt: TensorRt
    title: str
    card: Card
    device: Device | None = None
    timing_cache: Path | None = None

    def build(self, graph: bytes, options: PlanOptions, progress: Callable[[float], None]) -> Plan:
        """Build; see `DeviceBackend.build`.

        What `progress` raises, and Ctrl-C, end the build at its next step; TensorRT 8.6 has none, and is waited for.
        """
        check_options(options)
        with _one_at_a_time:  # taken here, where Ctrl-C ends the waiting
            progress(0.0)
            plan = run_interruptible(lambda report: self._build(graph, options, report), progress)
        progress(1.0)
        return plan

    def _build(self, graph: bytes, options: PlanOptions, report: Report) -> Plan:
        """The work, on a thread of its own."""
        with self.device.use() if self.device else nullcontext():
            with messages():
                parsed = parse_graph(self.trt, graph)
                config = self._configure(parsed, options)
            progress = BuildProgress(report)
            monitor = make_monitor(self.trt, progress)
            if monitor is not None:
                watch(config, monitor)
            plan = self._build_repaired(parsed, config, progress)
            if self.timing_cache is not None:
                with messages():
                    write_timing_cache(config, self.timing_cache)
            return plan

    def _build_repaired(self, parsed: ParsedGraph, config: api.IBuilderConfig, progress: BuildProgress) -> Plan:
        """Build, and as long as it is refused and a repair changes something, again."""
        notes: tuple[str, ...] = ()
        while True:
            progress.next_attempt()
            with messages() as heard:
                content = parsed.builder.build_serialized_network(parsed.network, config)
            if content is not None:
                return Plan(content=bytes(content), notes=notes)
            made = repair(self.trt, parsed.network, heard.text)
            if not made:
                raise refusal(heard.errors, self.title, repaired=notes)
            notes += made

    def _configure(self, parsed: ParsedGraph, options: PlanOptions) -> api.IBuilderConfig:
        """Everything but the monitor."""
        trt, config = self.trt, parsed.builder.create_builder_config()
        add_profiles(parsed, config, options.buckets)
        config.clear_flag(trt.BuilderFlag.TF32)
        never_allocate(trt, config)
        set_card(trt, config, self.card)
        share_profiles(trt, config)
        if flags := weak_typing(trt):
            allow_types(trt, parsed.network, config, flags)
        if options.workspace_bytes is not None:
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_bytes)
        if options.optimisation_level is not None:
            config.builder_optimization_level = options.optimisation_level
        if self.timing_cache is not None:
            read_timing_cache(config, self.timing_cache)
        return config


def check_options(options: PlanOptions) -> None:
    """Refuse options that no plan can be built with.

    Raises:
        EngineError: buckets are not ascending numbers from 1 on, or the level or the workspace cannot be.
    """
    buckets, level, workspace = options.buckets, options.optimisation_level, options.workspace_bytes
    if not buckets or buckets[0] < 1 or list(buckets) != sorted(set(buckets)):
        raise EngineError("buckets", f"got {list(buckets)}, expected ascending numbers from 1 on", "Name batch sizes")
    if buckets[-1] > LARGEST_BATCH:
        raise EngineError("buckets", f"got {buckets[-1]}, expected at most {LARGEST_BATCH}", "Name smaller batch sizes")
    if workspace is not None and not 0 <= workspace <= LARGEST_WORKSPACE:
        raise EngineError("workspace", f"got {workspace} bytes, expected 0 to {LARGEST_WORKSPACE}", "Allow what fits")
    if level is not None and level not in LEVELS:
        raise EngineError("optimisation level", f"got {level}, expected 0 to {LEVELS[-1]}", "Choose one of these")


def add_profiles(parsed: ParsedGraph, config: api.IBuilderConfig, buckets: tuple[int, ...]) -> None:
    """Add a profile for each bucket, in their order, with that batch size and no other."""
    network = parsed.network
    for bucket in buckets:
        profile = parsed.builder.create_optimization_profile()
        for index in range(network.num_inputs):
            tensor = network.get_input(index)
            shape = (bucket, *tuple(tensor.shape)[1:])
            try:
                profile.set_shape(tensor.name, shape, shape, shape)
            except (RuntimeError, ValueError) as error:
                raise _refused_bucket(bucket) from error
        if config.add_optimization_profile(profile) < 0:
            raise _refused_bucket(bucket)


def _refused_bucket(bucket: int) -> EngineError:
    return EngineError("buckets", f"the library refuses a batch of {bucket}", "Name other batch sizes")
