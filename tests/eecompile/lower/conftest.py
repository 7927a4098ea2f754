"""Segments that are nothing but an exit: logits in, score and state out."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from policy_examples import policy_example

from eecompile.lower import ExitScore, add_exit_score
from eengines.backends.onnxruntime import session_options
from eengines.tensors import Array


@dataclass(frozen=True, kw_only=True)
class LoweredExit:
    """One exit as an ONNX model, with the names that the lowering returned."""

    model: ir.Model
    score: ExitScore

    @property
    def operators(self) -> list[str]:
        """Operator names in graph order."""
        return [node.op_type for node in self.model.graph]


def build_exit(
    policy: str,
    *,
    classes: int,
    index: int,
    last: bool,
    opset: int,
    dtype: str = "float32",
    images: tuple[int | str, ...] = (),
    pixels: tuple[int | str, ...] = (),
) -> LoweredExit:
    """Return a segment with input `raw` and output `logits` = -(-raw), plus the score of exit `index`.

    Logits are `[batch, *images, classes, *pixels]`.
    """
    element, shape = ir.DataType.from_numpy(np.dtype(dtype)), ("batch", *images, classes, *pixels)
    raw = ir.val("raw", dtype=element, shape=shape)
    negated = ir.node("Neg", [raw], outputs=[ir.val("negated", dtype=element, shape=shape)])
    restored = ir.node("Neg", [negated.outputs[0]], outputs=[ir.val("logits", dtype=element, shape=shape)])
    logits = restored.outputs[0]
    graph = ir.Graph([raw], [logits], nodes=[negated, restored], opset_imports={"": opset}, name=f"segment_{index}")
    score = add_exit_score(
        graph, logits=logits, policy=policy_example(policy, classes=classes), exit_index=index, last=last
    )
    return LoweredExit(model=ir.Model(graph, ir_version=10), score=score)


@cache
def open_exit(
    policy: str, *, classes: int, index: int, last: bool, opset: int, dtype: str, pixels: tuple[int, ...]
) -> tuple[ort.InferenceSession, ExitScore]:
    """Return a CPU session of the exit and the names of its score and state."""
    built = build_exit(policy, classes=classes, index=index, last=last, opset=opset, dtype=dtype, pixels=pixels)
    options = session_options(threads=2)
    serialized = ir.to_proto(built.model).SerializeToString()
    return ort.InferenceSession(serialized, options, providers=["CPUExecutionProvider"]), built.score


def run_exit(  # noqa: D417 (the rest are those of build_exit)
    policy: str, logits: Array, carried: dict[str, Array], *, index: int, last: bool, opset: int
) -> tuple[Array, dict[str, Array], Array]:
    """Return score, new state (by name) and answer of an exit.

    Args:
        logits: `[batch, classes]` or `[batch, classes, height, width]`, float32 or float16.
        carried: what the exit before returned as state.
    """
    session, names = open_exit(
        policy,
        classes=logits.shape[1],
        index=index,
        last=last,
        opset=opset,
        dtype=logits.dtype.name,
        pixels=logits.shape[2:],
    )
    given = {"raw": logits, **{name: carried[name] for name in names.state_in}}
    score, answer, *state = session.run([names.score, "logits", *names.state_out], given)
    return score, dict(zip(names.state_out, state, strict=True)), answer


@pytest.fixture(scope="session")
def exit_builder() -> Callable[..., LoweredExit]:
    """Return `build_exit`."""
    return build_exit


@pytest.fixture(scope="session")
def exit_runner() -> Callable[..., tuple[Array, dict[str, Array], Array]]:
    """Return `run_exit`."""
    return run_exit
