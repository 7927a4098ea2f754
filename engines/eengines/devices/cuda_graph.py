"""CUDA graphs: work is recorded by stream capture, and may hold switches (conditional nodes).

Captures are thread-local: calls that no graph can hold (allocating, waiting) are errors in this thread, where they are
mistakes, while other threads go on allocating for models of their own. Global captures would fail on those, and relaxed
ones would let mistakes pass, which then run once instead of at each launch.

Bodies of a switch are recorded into graphs of their own, before there is a conditional node, and put into it as child
graphs. Recording straight into the node's graph (`cuStreamBeginCaptureToGraph`) ends in a crash of the driver when a
call invalidates the capture: github.com/NVIDIA/cuda-python/issues/2918.
"""

from collections.abc import Callable, Sequence
from typing import Any

from eengines.device import GraphBuilder, Stream
from eengines.devices.cuda_context import CudaContext
from eengines.devices.cuda_driver import bindings, check, newest
from eengines.devices.cuda_stream import CudaStream
from eengines.engine import Capability
from eengines.errors import EngineError

__all__ = ["CudaGraph", "capture", "probe_switch"]

SWITCH_DRIVER = 12080
"""CUDA 12.8, the first with SWITCH nodes.

Source: developer.nvidia.com/blog/dynamic-control-flow-in-cuda-graphs-with-conditional-nodes.
"""


class CudaGraph:
    """See `Graph`: an executable graph. The memory that it touches, and its kernels, must outlive it.

    Args:
        context: current in this thread.
        graph: a `CUgraph`.
    """

    def __init__(self, context: CudaContext, graph: Any) -> None:
        self._driver = context.driver
        self._handle = check(self._driver.cuGraphInstantiate(graph, 0), "instantiating a graph")
        context.give_back(self, self._driver.cuGraphExecDestroy, self._handle)

    def launch(self, stream: Stream) -> None:
        """See `Graph.launch`."""
        check(self._driver.cuGraphLaunch(self._handle, stream.handle), "launching a graph")


class CudaGraphBuilder:
    """See `GraphBuilder`.

    Args:
        context: current in this thread.
        stream: it is being captured.
    """

    def __init__(self, context: CudaContext, stream: CudaStream) -> None:
        self._context = context
        self._driver = context.driver
        self._in_body = False
        self.stream = stream

    def selector(self) -> int:
        """See `GraphBuilder.selector`."""
        possible = probe_switch(self._context)
        if not possible.ok:
            raise EngineError("graph", possible.reason, "Record it without a switch")
        graph, _ = self._position()
        flag = self._driver.CU_GRAPH_COND_ASSIGN_DEFAULT
        made = self._driver.cuGraphConditionalHandleCreate(graph, self._context.handle, 0, flag)
        return int(check(made, "making a conditional value"))

    def switch(self, selector: int, bodies: Sequence[Callable[[Stream], None]]) -> None:
        """See `GraphBuilder.switch`."""
        if self._in_body or not bodies:
            got = "a switch in a body" if self._in_body else "no bodies"
            raise EngineError(
                "graph", f"got {got}, expected a switch over bodies without one", "Put it after the other"
            )
        recorded: list[Any] = []
        self._in_body = True
        try:
            for body in bodies:
                graph = _record(self._context, CudaStream(self._context, recording=True), body)
                recorded.append(graph)  # one at a time: if a later one fails, the earlier ones are destroyed
            self._add_switch(selector, recorded)
        finally:
            self._in_body = False
            for graph in recorded:
                self._driver.cuGraphDestroy(graph)

    def _add_switch(self, selector: int, bodies: Sequence[Any]) -> None:
        driver = self._driver
        graph, dependencies = self._position()
        node_params = driver.CUgraphNodeParams()
        node_params.type = driver.CUgraphNodeType.CU_GRAPH_NODE_TYPE_CONDITIONAL
        params = node_params.conditional
        params.handle = driver.CUgraphConditionalHandle(selector)
        params.type = driver.CUgraphConditionalNodeType.CU_GRAPH_COND_TYPE_SWITCH
        params.size = len(bodies)
        params.ctx = self._context.handle
        edges = [driver.CUgraphEdgeData() for _ in dependencies]  # all zero: after the whole of each
        added = newest("cuGraphAddNode", "_v2")(graph, dependencies, edges, len(dependencies), node_params)
        node = check(added, "recording a switch")
        for target, body in zip(node_params.conditional.phGraph_out, bodies, strict=True):
            if check(driver.cuGraphGetNodes(body, 0), "counting what was recorded")[1]:
                check(driver.cuGraphAddChildGraphNode(target, [], 0, body), "recording the body of a switch")
        update = newest("cuStreamUpdateCaptureDependencies", "_v2")
        replace = driver.CUstreamUpdateCaptureDependencies_flags.CU_STREAM_SET_CAPTURE_DEPENDENCIES
        updated = update(self.stream.handle, [node], [driver.CUgraphEdgeData()], 1, replace)
        check(updated, "going on after a switch")

    def _position(self) -> tuple[Any, list[Any]]:
        """The graph that is being recorded, and the nodes that the next one comes after."""
        found = newest("cuStreamGetCaptureInfo", "_v3")(self.stream.handle)
        status, _, graph, dependencies, _, _ = check(found, "asking for the state of a capture")
        if status != self._driver.CUstreamCaptureStatus.CU_STREAM_CAPTURE_STATUS_ACTIVE:
            raise EngineError(
                "graph", f"the capture is over ({status.name})", "Add to a graph only while it is recorded"
            )
        return graph, dependencies


def capture(context: CudaContext, record: Callable[[GraphBuilder], None]) -> CudaGraph:
    """Record work; see `Device.capture`.

    Raises:
        EngineError: something was called that no graph can hold.
    """
    stream = CudaStream(context, recording=True)
    graph = _record(context, stream, lambda _: record(CudaGraphBuilder(context, stream)))
    try:
        return CudaGraph(context, graph)
    finally:
        context.driver.cuGraphDestroy(graph)


def probe_switch(context: CudaContext) -> Capability:
    """Say whether graphs can have switches; see `Device.probe_switch`."""
    if not hasattr(getattr(bindings(), "CUgraphConditionalNodeType", None), "CU_GRAPH_COND_TYPE_SWITCH"):
        return Capability(ok=False, reason="cuda-bindings is older than 12.8: pip install --upgrade 'eecompile[cuda]'")
    version = check(context.driver.cuDriverGetVersion(), "asking for the driver's version")
    words = f"CUDA {version // 1000}.{version % 1000 // 10}"
    if version < SWITCH_DRIVER:
        return Capability(
            ok=False, reason=f"the driver is of {words}, switches need 12.8: install driver R570 or later"
        )
    return Capability(ok=True, reason=f"the driver is of {words}")


def _record(context: CudaContext, stream: CudaStream, enqueue: Callable[[Stream], None]) -> Any:
    """Return a `CUgraph` of what is enqueued; the caller destroys it."""
    driver = context.driver
    mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    check(driver.cuStreamBeginCapture(stream.handle, mode), "beginning a capture")
    finished = False
    try:
        enqueue(stream)
        finished = True
    finally:
        result = driver.cuStreamEndCapture(stream.handle)
        if not finished and not result[0]:
            driver.cuGraphDestroy(result[1])
    return check(result, "recording a graph")
