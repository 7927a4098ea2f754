"""The engines of a chain on one device."""

from collections.abc import Sequence

from eengines.device import Device
from eengines.device_engine import DeviceEngine
from eengines.errors import BundleError, EngineError
from eerun.executor import Chain
from eerun.executor.chain import ChainLayout

__all__ = ["DeviceChain"]

REBUILD = "Build the bundle again"


class DeviceChain:
    """Engines, and what crosses between them; buffers belong to slots.

    Attributes:
        device: where it runs.
        chain: the network.
        engines: one for each segment.
        layout: its values.

    Raises:
        BundleError: the segments do not fit together, or an exit is not as the exit kernel needs it.
        EngineError: the network answers every pixel, which the exit kernel does not take, or heads are graphs of their
            own.
    """

    def __init__(self, chain: Chain, engines: Sequence[DeviceEngine], device: Device) -> None:
        if chain.has_heads:
            raise EngineError(
                f"device {device.name}",
                "heads are graphs of their own, expected heads in their segments: a device runs one graph a segment",
                "Run it on the host, or tune again with --no-split-heads",
            )
        self.device = device
        self.chain = chain
        self.engines = tuple(engines)
        self.layout = ChainLayout(chain, engines)
        if len(self.output_shape) != 1:
            raise EngineError(
                f"device {device.name}",
                f"got logits [batch, {', '.join(map(str, self.output_shape))}], expected [batch, classes]: a network "
                "with one answer a pixel runs on the CPU only",
                "Choose --engine onnxruntime or openvino",
            )
        for index, head in enumerate(chain.segments):
            for name in (head.logits, head.score):
                dtype = self.layout.specs[name].dtype
                if dtype != "float32":
                    raise BundleError(f"segment {index}", f"output {name!r} is {dtype}, expected float32", REBUILD)
            if any(head.score in names for names in self.layout.crossing):
                raise BundleError(
                    f"segment {index}", f"a later segment reads the score {head.score!r}, expected none", REBUILD
                )

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.output_shape[0]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample's logits: `(classes,)`."""
        return self.layout.specs[self.chain.segments[-1].logits].shape

    def check_scores(self) -> None:
        """Refuse a chain whose scores are not one number a sample, such as a whole network without a policy.

        Raises:
            BundleError: it is one.
        """
        for index, head in enumerate(self.chain.segments):
            shape = self.layout.specs[head.score].shape
            if shape != ():
                raise BundleError(f"segment {index}", f"score {head.score!r} has shape {shape}, expected ()", REBUILD)

    def workspace_bytes(self, buckets: Sequence[int]) -> int:
        """Bytes of activations that any session of these buckets needs; sessions of a slot share them."""
        return max(engine.workspace_bytes(bucket) for engine in self.engines for bucket in buckets)
