"""What `manifest.json` and the policy files hold."""

import re
from dataclasses import dataclass, field
from typing import Any

from eengines.tensors import TensorSpec
from eerun.bundle.certificate import Certificate, Fallback
from eerun.folding.group_exit import GroupExit
from eerun.policies import ExitPolicy, make_policy

__all__ = [
    "EASINESS_NAME",
    "ENGINES_FOLDER",
    "LENGTH",
    "MANIFEST_NAME",
    "REFRESH_NAME",
    "SCHEMA",
    "TUNE_NAME",
    "ConfigurationEntry",
    "DeviceEntry",
    "FileEntry",
    "FoldEntry",
    "InputEntry",
    "LengthEntry",
    "Manifest",
    "PolicyFile",
    "SegmentEntry",
    "SplitEntry",
    "TargetEntry",
    "configuration_name",
]

MANIFEST_NAME = "manifest.json"
SCHEMA = "eecompile.bundle/2.4"
ENGINES_FOLDER = "engines"
"""Where plans of GPUs are kept: not listed, not needed, not of this format."""
EASINESS_NAME = "policy/easiness.json"
"""Where what `Manifest.easiness` names is written."""
REFRESH_NAME = "report/refresh.json"
"""What the last refresh did; a bundle that was never refreshed, or was tuned since, has none."""
TUNE_NAME = "report/tune.json"
"""What the last tuning tried; a bundle that was never tuned after its build, or was refreshed since, has none."""
LENGTH = "length"
"""Name of the symbolic sequence axis in the graphs of a network that has one."""


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """Size and digest of a file of the bundle."""

    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class InputEntry:
    """One input as the user gives it: raw, before conversion and normalisation, which segment 0 does.

    Attributes:
        name: name in segment 0.
        dtype: numpy's name of the element type.
        shape: shape of one sample, without the batch axis.
        range: least and largest value allowed, or None.
        sequence: which axis of `shape` is the dynamic sequence length; the number there is the greatest. None: the
            shape is fixed.
        pad: the value behind the end of a sample that is shorter.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    range: tuple[float, float] | None = None
    sequence: int | None = None
    pad: float = 0

    @property
    def spec(self) -> TensorSpec:
        """The input as a tensor, at its greatest length."""
        return TensorSpec(name=self.name, dtype=self.dtype, shape=self.shape)

    def spec_at(self, length: int | None) -> TensorSpec:
        """The input as a tensor at a sequence length; None: the greatest."""
        if self.sequence is None or length is None:
            return self.spec
        shape = (*self.shape[: self.sequence], length, *self.shape[self.sequence + 1 :])
        return TensorSpec(name=self.name, dtype=self.dtype, shape=shape)


@dataclass(frozen=True, kw_only=True)
class LengthEntry:
    """A sequence length that the bundle is prepared for.

    Attributes:
        length: samples up to this length run padded to it, unless a smaller one holds them.
        share: of the *tune* samples that do; equal shares without data.
    """

    length: int
    share: float


@dataclass(frozen=True, kw_only=True)
class FoldEntry:
    """How a network is folded: several images share one pass, and one row of its graphs is a group of them.

    Attributes:
        factor: images a group.
        widths: how hidden widths were rounded, `multiple-of-8` or `exact`.
        unfolded_sha256: digest of the model file of the same network unfolded; None: nobody knows it.
    """

    factor: int
    widths: str
    unfolded_sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class SegmentEntry:
    """One segment: from one exit to the next. A row is a sample, or of a folded network a group of them.

    Attributes:
        file: path of the float32 graph inside the bundle; graphs of other precisions are made from it.
        logits: output `[rows, classes] float32` of the exit at its end, or `[rows, classes, height, width]`; of a
            folded network `[rows, fold, classes]`.
        score: output `[rows] float32` of the policy at that exit; of a folded network `[rows, fold]`.
        nodes: number of ONNX nodes.
        macs: multiply-accumulates a row.
        parameters: number of weights.
        boundary_bytes: bytes a row that the segment hands on, 0 for the last.
    """

    file: str
    logits: str
    score: str
    nodes: int
    macs: int
    parameters: int
    boundary_bytes: int


@dataclass(frozen=True, kw_only=True)
class SplitEntry:
    """A split of the data that the build used."""

    samples: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class PolicyFile:
    """`policy/*.json`: the rule, and what is fitted to data.

    Attributes:
        policy: its name.
        thresholds: one for each exit but the last; None: nobody leaves there.
        parameters: the fields of the policy; most have none.
        certificate: what is promised of these thresholds; None: nothing.
        fallbacks: slower certified thresholds of the same policy and parameters, from fast to slow.
        group_exit: when a group of a folded network leaves; of other networks without meaning.
    """

    policy: str
    thresholds: tuple[float | None, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    certificate: Certificate | None = None
    fallbacks: tuple[Fallback, ...] = ()
    group_exit: GroupExit = GroupExit.ALL

    def make(self) -> ExitPolicy:
        """Return the policy.

        Raises:
            UserError: there is no such policy, or the parameters are not its own.
        """
        return make_policy(self.policy, self.parameters)


@dataclass(frozen=True, kw_only=True)
class DeviceEntry:
    """The card that a configuration was measured on, and how its engines are built.

    Attributes:
        name: as its maker calls it, such as `NVIDIA T4`.
        compute_capability: CUDA's, as `7.5`.
        workspace_bytes: most scratch memory of a layer; None: the library's choice.
        optimisation_level: how long the builder searches, 0 to 5; None: the library's choice.
        expected_us: expected microseconds a sample in a full batch, by which configurations of one card are ordered.
    """

    name: str
    compute_capability: str
    expected_us: float
    workspace_bytes: int | None
    optimisation_level: int | None


@dataclass(frozen=True, kw_only=True)
class ConfigurationEntry:
    """One way to run the bundle: an engine and graphs of one precision, measured and tuned.

    Attributes:
        engine: name of the backend.
        precision: `float32`, `float16`, `bfloat16` or `int8`.
        segments: path of each segment's graph.
        whole: path of the network without exit heads.
        policy: path of the policy file, with thresholds tuned on these graphs.
        costs: path of the cost table; of a network with a sequence axis, expected times over all lengths.
        agreement: share of the *tune* samples that the final exit answers as in float32; None without data.
        device: the card; None: this configuration runs on the CPU.
        length_costs: path of the cost table at each of the bundle's lengths.
        heads: path of the graph of each early exit's head; none: heads are in their segments.
    """

    engine: str
    precision: str
    segments: tuple[str, ...]
    whole: str
    policy: str
    costs: str
    agreement: float | None
    device: DeviceEntry | None = None
    length_costs: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`ENGINE-PRECISION`, of a GPU followed by the card, as `tensorrt-int8-nvidia-t4`; unique in a bundle."""
        return configuration_name(self.engine, self.precision, None if self.device is None else self.device.name)


def configuration_name(engine: str, precision: str, device: str | None) -> str:
    """Return the name of a configuration; `device` is the card's name, None for the CPU."""
    card = "" if device is None else "-" + "-".join(re.findall(r"[a-z0-9.]+", device.lower()))
    return f"{engine}-{precision}{card}"


@dataclass(frozen=True, kw_only=True)
class TargetEntry:
    """Graphs written for a device that was not there at build time: checked in ONNX Runtime, not measured.

    Attributes:
        target: name of the device, see `eengines.targets`.
        precision: `float32`, `float16` or `int8`.
        opset: ONNX opset of the graphs, at most what the device's last TensorRT reads.
        segments: path of each segment's graph.
        whole: path of the network without exit heads.
        policy: path of the policy file, with thresholds tuned on these graphs.
        agreement: share of the *tune* samples that the final exit answers as in float32; None without data.
    """

    target: str
    precision: str
    opset: int
    segments: tuple[str, ...]
    whole: str
    policy: str
    agreement: float | None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """`manifest.json`.

    Attributes:
        schema: format and version, `eecompile.bundle/MAJOR.MINOR`.
        producer: program and library versions that made the bundle.
        source: file name of the model.
        source_sha256: digest of the model file.
        task: `classification`, or `segmentation` for one class a pixel.
        classes: names of the classes, or None.
        inputs: raw inputs, one sample each: of a folded network one image.
        exits: names of the exits, shallow to deep.
        segments: one entry for each exit.
        whole: path of the float32 network without exit heads, cut after the final exit.
        whole_output: its output, of the shape of an exit's logits.
        whole_macs: multiply-accumulates a row of that network.
        configurations: the ways to run it, the one that the build chose first; one of them is float32.
        targets: graphs for other devices.
        ranges: path of the INT8 ranges, or None.
        report: path of the build's summary.
        splits: the data splits by name.
        split_seed: seed of the function that made them.
        lengths: sequence lengths, ascending, the last is the greatest; none without a sequence axis.
        fold: of a folded network; None: every sample has a row of its own.
        easiness: path of what predicts how easy an image of a folded network is, see `Easiness`; None: nothing does.
        files: every other file of the bundle by path.
    """

    schema: str
    producer: dict[str, str]
    source: str
    source_sha256: str
    task: str
    classes: tuple[str, ...] | None
    inputs: tuple[InputEntry, ...]
    exits: tuple[str, ...]
    segments: tuple[SegmentEntry, ...]
    whole: str
    whole_output: str
    whole_macs: int
    configurations: tuple[ConfigurationEntry, ...]
    targets: tuple[TargetEntry, ...]
    ranges: str | None
    report: str
    splits: dict[str, SplitEntry]
    split_seed: int
    lengths: tuple[LengthEntry, ...] = ()
    fold: FoldEntry | None = None
    easiness: str | None = None
    files: dict[str, FileEntry] = field(default_factory=dict)

    @property
    def images_a_row(self) -> int:
        """The fold factor; 1: not folded."""
        return 1 if self.fold is None else self.fold.factor

    @property
    def chosen(self) -> ConfigurationEntry:
        """The configuration that the build chose for its own machine; those of cards come later, and stand in front."""
        return next(entry for entry in self.configurations if entry.device is None)
