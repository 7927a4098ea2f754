"""Random networks as chains of graphs, and what runs such chains."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import pytest
from onnx_ir.passes.common import RemoveUnusedNodesPass
from policy_examples import policy_example
from random_networks import CLASSES, NetworkMaker

from eecompile.build.lower_graphs import serialize
from eecompile.regraph import ExitNames
from eecompile.regraph.graph_bytes import parse_segment
from eecompile.session import run_model
from eecompile.split import split_model
from eengines.tensors import Array, TensorSpec
from eerun.policies import ExitPolicy


@dataclass(frozen=True, kw_only=True)
class RandomChain:
    """A random network in segments.

    Attributes:
        maker: what drew it.
        exits: numbers of its exits among those of the network.
        policy: whose score is in the segments.
        segments: their graphs.
        names: of their exits.
    """

    maker: NetworkMaker
    exits: tuple[int, ...]
    policy: ExitPolicy
    segments: tuple[bytes, ...]
    names: tuple[ExitNames, ...]

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What the network takes."""
        mask = (TensorSpec(name="mask", dtype="float32", shape=(1,)),) if self.maker.with_mask else ()
        return (TensorSpec(name="x", dtype="float32", shape=(self.maker.width,)), *mask)


def random_chain(policy: str, *, exits: Sequence[int] | None = None, count: int = 3, **network) -> RandomChain:
    """Draw a network of `count` exits, and build the chain of some of them; None: of all."""
    maker = NetworkMaker(network.pop("seed"), exits=count, width=6, **network)
    model = ir.from_proto(maker.model())
    kept = tuple(range(count) if exits is None else exits)
    outputs = [model.graph.outputs[index] for index in kept]
    model.graph.outputs.clear()
    model.graph.outputs.extend(outputs)
    RemoveUnusedNodesPass()(model)
    made = policy_example(policy, exits=len(kept), classes=CLASSES)
    split = split_model(model, [f"exit {k}" for k in kept], maker.inputs(3, seed=5), made)
    return RandomChain(
        maker=maker,
        exits=kept,
        policy=made,
        segments=tuple(serialize(segment.model, index) for index, segment in enumerate(split.segments)),
        names=tuple(ExitNames(logits=segment.logits, score=segment.score) for segment in split.segments),
    )


def run_graphs(graphs: Iterable[bytes], values: Mapping[str, Array]) -> dict[str, Array]:
    """Run graphs one after the other, literally; return all that they make."""
    known, made = dict(values), {}
    for graph in graphs:
        made |= run_model(parse_segment(graph), known)
        known |= made
    return made


@pytest.fixture(scope="session")
def chain_of():
    """`random_chain`."""
    return random_chain


@pytest.fixture(scope="session")
def run_all_graphs():
    """`run_graphs`."""
    return run_graphs


@pytest.fixture(scope="session")
def assert_same():
    """Check that two runs made the same values, bit for bit."""

    def check(one: Mapping[str, Array], other: Mapping[str, Array]) -> None:
        assert set(one) == set(other)
        for name, array in one.items():
            assert array.dtype == other[name].dtype, name
            assert np.array_equal(array, other[name], equal_nan=True), name

    return check
