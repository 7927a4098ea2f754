"""The devices that a network can be compiled for, and what each of them and its last TensorRT can do.

Sources, by the keys that the rows name:

    cuda-gpus      compute capabilities: developer.nvidia.com/cuda-gpus and developer.nvidia.com/cuda-legacy-gpus
    trt-8.6        docs.nvidia.com/deeplearning/tensorrt/archives/tensorrt-861/support-matrix; TensorRT 10 refuses
                   sm_6x ("Unsupported SM"): github.com/NVIDIA/TensorRT/issues/3826
    trt-10.4       sm_70 announced to go in the notes of 10.4, gone in 10.5:
                   docs.nvidia.com/deeplearning/tensorrt release notes 10.5.0
    trt-11         kernels for sm_75 to sm_120 in the libraries of 11.4.0
    onnx-tensorrt  docs/operators.md of github.com/onnx/onnx-tensorrt by release: 8.4 to 8.6 up to opset 17,
                   10.0 and 10.1 up to 20, which is taken for 10.4
    trt-opset      docs.nvidia.com/deeplearning/tensorrt/latest/reference/onnx-opset-guide.html: 11.x up to opset 25
    dp4a           DP4A from sm_61 on: S. Migacz, "8-bit inference with TensorRT", GTC 2017
    tensor-cores   NVIDIA CUTLASS documentation, "Tensor Core Programming": float16 from sm_70, INT8 from sm_75,
                   bfloat16 from sm_80
"""

from collections.abc import Mapping
from dataclasses import dataclass

from eengines.errors import UserError

__all__ = ["PRECISIONS", "TARGETS", "Target", "check_precision", "target_by_name"]

PRECISIONS = ("float32", "float16", "bfloat16", "int8")


@dataclass(frozen=True, kw_only=True)
class Target:
    """One kind of device.

    Attributes:
        name: as given to `--target`.
        words: what it is, for people.
        compute_capability: CUDA's (major, minor); None for a CPU.
        last_tensorrt: the last release of TensorRT that runs on it; None: the current one does, or it is a CPU.
        onnx_opset: the newest ONNX opset that this TensorRT reads; None: no limit known.
        precisions: what it computes in, of `PRECISIONS`.
        tensor_core_precisions: those of them that its tensor cores multiply; the rest runs on ordinary units.
        sources: keys of the list in the module's docstring.
    """

    name: str
    words: str
    compute_capability: tuple[int, int] | None
    last_tensorrt: str | None
    onnx_opset: int | None
    precisions: tuple[str, ...]
    tensor_core_precisions: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def sm(self) -> str:
        """CUDA's name of the architecture, as `sm_75`; `cpu` for a CPU."""
        return "cpu" if self.compute_capability is None else "sm_{}{}".format(*self.compute_capability)


def _current(name: str, words: str, compute_capability: tuple[int, int]) -> Target:
    """A GPU of the Ampere generation or later: the current TensorRT, every precision, all of them on tensor cores.

    Float32 is there as TF32 only, and is not counted.
    """
    return Target(
        name=name,
        words=words,
        compute_capability=compute_capability,
        last_tensorrt=None,
        onnx_opset=25,
        precisions=PRECISIONS,
        tensor_core_precisions=("float16", "bfloat16", "int8"),
        sources=("cuda-gpus", "trt-11", "trt-opset", "tensor-cores"),
    )


_ROWS = (
    Target(
        name="cpu",
        words="any CPU; half precision and INT8 are as fast as its instructions for them",
        compute_capability=None,
        last_tensorrt=None,
        onnx_opset=None,
        precisions=PRECISIONS,
        tensor_core_precisions=(),
        sources=(),
    ),
    Target(
        name="p100",
        words="NVIDIA Tesla P100 (Pascal): float16 at twice the rate of float32, no tensor cores",
        compute_capability=(6, 0),
        last_tensorrt="8.6.1",
        onnx_opset=17,
        precisions=("float32", "float16"),
        tensor_core_precisions=(),
        sources=("cuda-gpus", "trt-8.6", "onnx-tensorrt", "dp4a"),
    ),
    Target(
        name="v100",
        words="NVIDIA V100 (Volta): tensor cores for float16 only, INT8 by DP4A",
        compute_capability=(7, 0),
        last_tensorrt="10.4.0",
        onnx_opset=20,
        precisions=("float32", "float16", "int8"),
        tensor_core_precisions=("float16",),
        sources=("cuda-gpus", "trt-10.4", "onnx-tensorrt", "dp4a", "tensor-cores"),
    ),
    Target(
        name="t4",
        words="NVIDIA T4 (Turing): tensor cores for float16 and INT8",
        compute_capability=(7, 5),
        last_tensorrt=None,
        onnx_opset=25,
        precisions=("float32", "float16", "int8"),
        tensor_core_precisions=("float16", "int8"),
        sources=("cuda-gpus", "trt-11", "trt-opset", "tensor-cores"),
    ),
    _current("a100", "NVIDIA A100 (Ampere)", (8, 0)),
    _current("a10", "NVIDIA A10 (Ampere)", (8, 6)),
    _current("l4", "NVIDIA L4 (Ada)", (8, 9)),
    _current("rtx4090", "NVIDIA GeForce RTX 4090 (Ada)", (8, 9)),
    _current("h100", "NVIDIA H100 (Hopper)", (9, 0)),
    _current("h200", "NVIDIA H200 (Hopper)", (9, 0)),
    _current("b200", "NVIDIA B200 (Blackwell)", (10, 0)),
    _current("rtx5090", "NVIDIA GeForce RTX 5090 (Blackwell)", (12, 0)),
)

TARGETS: Mapping[str, Target] = {row.name: row for row in _ROWS}
"""Name → target, the CPU first, then by age."""


def target_by_name(name: str) -> Target:
    """Return the target called `name`.

    Raises:
        UserError: there is none.
    """
    if name not in TARGETS:
        raise UserError("--target", f"got {name!r}, known are {', '.join(TARGETS)}", "Choose one of these")
    return TARGETS[name]


def check_precision(target: Target, precision: str) -> None:
    """Refuse a precision that the target does not compute in.

    Raises:
        UserError: it does not, or the precision is unknown.
    """
    if precision not in PRECISIONS:
        raise UserError("precision", f"got {precision!r}, known are {', '.join(PRECISIONS)}", "Choose one of these")
    if precision in target.precisions:
        return
    reason, remedy = _REFUSALS[precision]
    raise UserError(f"--target {target.name}", reason.format(sm=target.sm), remedy)


_REFUSALS = {
    "int8": (
        "got int8 on {sm}, which has no INT8: the dot product of bytes (DP4A) came with sm_61",
        "Use --fp16, or a target of sm_61 or later",
    ),
    "bfloat16": (
        "got bfloat16 on {sm}, which has none: it came with sm_80",
        "Use --fp16, or a target of sm_80 or later",
    ),
}
"""For each precision that some target lacks: why, and what to do."""
