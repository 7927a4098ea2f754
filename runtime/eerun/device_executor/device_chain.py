"""The engines of a chain on one device."""

from collections.abc import Sequence
from dataclasses import replace

from eengines.device import Device
from eengines.device_engine import DeviceEngine
from eengines.errors import BundleError, EngineError
from eengines.tensors import TensorSpec
from eerun.device_executor.exit_table import MOST_FOLD
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
        EngineError: the network answers every pixel, which the exit kernel does not take, it is folded by more than
            `MOST_FOLD`, or heads are graphs of their own.
    """

    def __init__(self, chain: Chain, engines: Sequence[DeviceEngine], device: Device) -> None:
        if chain.has_heads:
            raise EngineError(
                f"device {device.name}",
                "heads are graphs of their own, expected heads in their segments: a device runs one graph a segment",
                "Run it on the host, or tune again with --no-split-heads",
            )
        if chain.fold > MOST_FOLD:
            raise EngineError(
                f"device {device.name}",
                f"the network is folded by {chain.fold}, a device takes at most {MOST_FOLD} images a row",
                "Choose --engine onnxruntime or openvino",
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
        shape = self.layout.specs[self.chain.segments[-1].logits].shape
        return shape if self.fold == 1 else shape[1:]

    @property
    def fold(self) -> int:
        """Images a row; 1: it is not folded, and a row is a sample."""
        return self.chain.fold

    @property
    def sample_inputs(self) -> tuple[TensorSpec, ...]:
        """The raw inputs as one sample has them: of a folded network one image."""
        if self.fold == 1:
            return self.chain.inputs
        return tuple(replace(spec, shape=spec.shape[1:]) for spec in self.chain.inputs)

    def check_scores(self) -> None:
        """Refuse a chain whose scores are not one number a sample, such as a whole network without a policy.

        Raises:
            BundleError: it is one.
        """
        for index, head in enumerate(self.chain.segments):
            shape, expected = self.layout.specs[head.score].shape, () if self.fold == 1 else (self.fold,)
            if shape != expected:
                problem = f"score {head.score!r} has shape {shape}, expected {expected}"
                raise BundleError(f"segment {index}", problem, REBUILD)

    def workspace_bytes(self, buckets: Sequence[int]) -> int:
        """Bytes of activations that any session of these buckets needs; sessions of a slot share them."""
        return max(engine.workspace_bytes(bucket) for engine in self.engines for bucket in buckets)
