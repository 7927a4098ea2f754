"""All that differs between versions of TensorRT, and TensorRT for RTX. Decided by looking at what is there.

8.6     networks are weakly typed: the builder is allowed float16 and INT8; no progress monitor; the memory of a
        context is that of the largest profile
10      networks are strongly typed, if that is asked for
11      they always are, and their batch axis is always explicit
RTX     as 11; builds for cards that are not there; contexts may record graphs of their own
"""
# `offers` never calls the class that it is given, so it may be abstract:
# mypy: disable-error-code="type-abstract"

from eengines.errors import EngineError
from eengines.nvinfer import api
from eengines.nvinfer import api_of_some as some
from eengines.nvinfer.library_api import TensorRt
from eengines.nvinfer.offers import offers

__all__ = [
    "creation_flags",
    "is_capturable",
    "is_rtx",
    "known_cards",
    "monitor_class",
    "never_allocate",
    "node_of",
    "open_context",
    "set_card",
    "set_workspace",
    "share_profiles",
    "version",
    "watch",
    "weak_typing",
    "workspace_bytes",
]

CARD_PREFIX = "SM"
SHARES_PROFILES_UNASKED = (10,)


def version(trt: TensorRt) -> tuple[int, ...]:
    """The library's version, as (10, 4, 0)."""
    return tuple(int(part) for part in trt.__version__.split(".") if part.isdigit())


def is_rtx(trt: TensorRt) -> bool:
    """Whether this is TensorRT for RTX."""
    return offers(trt, some.Rtx) is not None


def creation_flags(trt: TensorRt) -> int:
    """Bits for `create_network`: an explicit batch axis, and the types of the graph, where they must be asked for."""
    bits, flags = 0, trt.NetworkDefinitionCreationFlag
    if batch := offers(flags, some.ExplicitBatch):
        bits |= 1 << int(batch.EXPLICIT_BATCH)
    if typing := offers(flags, some.StrongTyping):
        bits |= 1 << int(typing.STRONGLY_TYPED)
    return bits


def weak_typing(trt: TensorRt) -> some.WeakTyping | None:
    """The flags that allow types to the builder, where networks cannot be strongly typed; else None."""
    if offers(trt.NetworkDefinitionCreationFlag, some.StrongTyping):
        return None
    return offers(trt.BuilderFlag, some.WeakTyping)


def share_profiles(trt: TensorRt, config: api.IBuilderConfig) -> None:
    """Let several contexts use one profile, where that must be asked for."""
    if is_rtx(trt) or version(trt) >= SHARES_PROFILES_UNASKED:
        return
    module, asked = offers(trt, some.PreviewFeatures), offers(config, some.ProfileSharingConfig)
    feature = offers(module.PreviewFeature, some.ProfileSharing) if module else None
    if asked and feature:
        asked.set_preview_feature(feature.PROFILE_SHARING_0806, True)


def known_cards(trt: TensorRt) -> dict[tuple[int, int], some.OtherCards]:
    """Compute capabilities that plans can be built for without a card; empty: only for the card that is here."""
    module = offers(trt, some.Rtx)
    if module is None:
        return {}
    names = {name.removeprefix(CARD_PREFIX): card for name, card in module.ComputeCapability.__members__.items()}
    return {(int(name[:-1]), int(name[-1])): card for name, card in names.items() if name.isdigit()}


def set_card(trt: TensorRt, config: api.IBuilderConfig, compute_capability: tuple[int, int]) -> None:
    """Name the card to build for, where that can be done; else it is the one that is current."""
    cards, named = known_cards(trt), offers(config, some.OtherCardsConfig)
    if cards and named:
        named.num_compute_capabilities = 1
        named.set_compute_capability(cards[compute_capability], 0)


def never_allocate(trt: TensorRt, config: api.IBuilderConfig) -> None:
    """Ask for a plan whose contexts never allocate, so that they can be recorded, where they would."""
    if flags := offers(trt.BuilderFlag, some.UserAllocation):
        config.set_flag(flags.REQUIRE_USER_ALLOCATION)


def monitor_class(trt: TensorRt) -> type[some.Monitor] | None:
    """The base of progress monitors; None: builds cannot be watched."""
    module = offers(trt, some.Monitors)
    return module.IProgressMonitor if module else None


def watch(config: api.IBuilderConfig, monitor: some.Monitor) -> None:
    """Watch a build; only where there is a `monitor_class`."""
    if watched := offers(config, some.MonitoredConfig):
        watched.progress_monitor = monitor


def node_of(error: api.ParserError) -> str:
    """Name the ONNX node that an error of the parser is about, and its operator where the version knows it."""
    if named := offers(error, some.NamedError):
        name, operator = named.node_name(), named.node_operator()
        if name or operator:
            return f"node {name!r} ({operator})" if operator else f"node {name!r}"
    return f"node number {error.node()}" if error.node() >= 0 else "graph"


def workspace_bytes(engine: api.ICudaEngine, profile: int) -> int:
    """Bytes of activations of a context in one profile."""
    if by_profile := offers(engine, some.MemoryByProfile):
        return by_profile.get_device_memory_size_for_profile_v2(profile)
    if by_engine := offers(engine, some.MemoryByEngine):
        return by_engine.device_memory_size
    raise _unknown_version("memory of a context")


def open_context(trt: TensorRt, engine: api.ICudaEngine) -> api.IExecutionContext | None:
    """Make a context whose memory is the caller's, and that records no graphs of its own; None: it failed."""
    strategies, graphs = offers(trt, some.AllocationStrategies), offers(trt, some.CudaGraphStrategies)
    if strategies is None:
        old = offers(engine, some.MemoryByEngine)
        if old is None:
            raise _unknown_version("contexts with memory of the caller")
        return old.create_execution_context_without_device_memory()
    strategy = strategies.ExecutionContextAllocationStrategy.USER_MANAGED
    if graphs and (configured := offers(engine, some.RtxEngine)):
        config = configured.create_runtime_config()
        config.set_execution_context_allocation_strategy(strategy)
        config.cuda_graph_strategy = graphs.CudaGraphStrategy.DISABLED
        return configured.create_execution_context(config)
    if plain := offers(engine, some.MemoryByProfile):
        return plain.create_execution_context(strategy)
    raise _unknown_version("contexts with memory of the caller")


def set_workspace(context: api.IExecutionContext, address: int, nbytes: int) -> None:
    """Give a context its memory, after its profile and shapes."""
    if sized := offers(context, some.MemoryContext):
        sized.set_device_memory(address, nbytes)
    elif unsized := offers(context, some.MemoryOldContext):
        unsized.device_memory = address


def is_capturable(context: api.IExecutionContext, stream: int) -> bool:
    """Whether a context may be recorded into a graph; plans made here never allocate, so where nobody says, it may."""
    asked = offers(context, some.RtxContext)
    return asked is None or asked.is_stream_capturable(stream)


def _unknown_version(missing: str) -> EngineError:
    return EngineError("TensorRT", f"this version has no {missing}", "Install TensorRT 8.6.1, 10.x or 11.x")
