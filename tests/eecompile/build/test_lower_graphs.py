"""The graphs of a small network for each engine and precision: they load, chain, and pass the types they should."""

from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from eecompile.build.candidates import Candidate
from eecompile.build.keep_float import named_nodes
from eecompile.build.lower_graphs import lower_graphs, serialize
from eecompile.build.trial import load_candidate
from eecompile.relative_error import relative_error
from eengines.backends import load_backend
from eengines.errors import BuildError, EngineError
from eerun.executor import ChainExecutor

BOUNDARY = {"float32": "float32", "float16": "float16", "bfloat16": "bfloat16", "int8": "uint8"}
TOLERANCE = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2, "int8": 0.15}
"""Of the spread of logits: some roundings of 2⁻²⁴, 2⁻¹¹, 2⁻⁸, and of 1/255 of a range."""

WAYS = [
    ("onnxruntime", "float32"),
    ("onnxruntime", "float16"),
    ("onnxruntime", "int8"),
    ("openvino", "float32"),
    ("openvino", "float16"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
]
EXITS = ("early", "middle", "final")


@pytest.fixture(scope="module")
def load(built):
    """Lower and load in the engine: `(engine, precision, keep)`."""

    def make(engine, precision, keep=frozenset()):
        backend = load_backend(engine)
        if precision not in backend.probe().precisions:
            pytest.skip(f"{engine} has no {precision} on this machine")
        source = replace(built.source, keep_float=keep)
        graphs = lower_graphs(source, family=engine, precision=precision)
        candidate = Candidate(engine=engine, precision=precision)
        return load_candidate(candidate, graphs, backend, built.prepared, threads=2)

    return make


def logits(chain, built, images):
    return ChainExecutor(chain, built.float32.costs).record({"x": images})[0]


@pytest.mark.parametrize(("engine", "precision"), WAYS)
def test_boundaries_have_the_stated_type_and_order(built, load, engine, precision):
    loaded = load(engine, precision)
    crossing = built.prepared.split.crossing
    last = (engine, precision) in {("openvino", "bfloat16"), ("openvino", "int8")}
    seen = 0
    for index, names in enumerate(loaded.chain.crossing):
        for name in names:
            spec = next(s for s in loaded.chain.engines[index].outputs if s.name == name)
            assert name in crossing
            assert spec.dtype == BOUNDARY[precision]
            float_shape = ((8, 8, 8), (12, 4, 4))[index]
            assert spec.shape == ((*float_shape[1:], float_shape[0]) if last else float_shape)
            seen += 1
    assert seen == 2


@pytest.mark.parametrize(("engine", "precision"), WAYS)
def test_raw_inputs_logits_and_scores_keep_their_type(built, load, engine, precision):
    loaded = load(engine, precision)
    assert [(s.dtype, s.shape) for s in loaded.chain.engines[0].inputs] == [("uint8", (2, 8, 8))]
    for engine_, head in zip(loaded.chain.engines, loaded.chain.chain.segments, strict=True):
        made = {spec.name: spec for spec in engine_.outputs}
        assert (made[head.logits].dtype, made[head.logits].shape) == ("float32", (4,))
        assert (made[head.score].dtype, made[head.score].shape) == ("float32", ())
    assert [(s.dtype, s.shape) for s in loaded.whole.engines[0].outputs] == [("float32", (4,))]


@pytest.mark.parametrize(("engine", "precision"), WAYS)
def test_chain_and_whole_answer_like_float32(built, load, images, engine, precision):
    loaded = load(engine, precision)
    x, _ = images(16, seed=50)
    expected = built.float32.executor.record({"x": x})[0]
    got = logits(loaded.chain, built, x)
    error = max(relative_error(got[:, k], expected[:, k]) for k in range(3))
    assert error < TOLERANCE[precision]
    whole = ChainExecutor(loaded.whole, built.float32.costs.of_whole()).record({"x": x})[0][:, 0]
    assert relative_error(whole, expected[:, -1]) < TOLERANCE[precision]
    if precision != "float32":
        assert error > TOLERANCE["float32"] / 100, "nothing was lowered"


@pytest.mark.parametrize(("engine", "precision"), WAYS)
def test_graphs_are_valid_and_the_source_is_not_changed(built, engine, precision):
    split = built.prepared.split
    before = [serialize(segment.model, 0) for segment in split.segments]
    graphs = lower_graphs(built.source, family=engine, precision=precision)
    for graph in (*graphs.segments, graphs.whole):
        onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)
    assert [serialize(segment.model, 0) for segment in split.segments] == before
    assert lower_graphs(built.source, family=engine, precision=precision) == graphs


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_an_exit_kept_in_float_has_no_rounding_in_its_head(built, load, engine):
    keep = named_nodes(built.prepared.split, EXITS, ["middle"])
    load(engine, "int8", keep)
    source = replace(built.source, keep_float=keep)
    graph = onnx.load_from_string(lower_graphs(source, family=engine, precision="int8").segments[1]).graph
    model = {node.name: node for node in graph.node}
    producer = {name: node for node in graph.node for name in node.output}
    weighted = [model[name] for name in ("n_project_1", "n_head_1", "n_exit_1")]
    stored = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in weighted:
        assert stored[node.input[1]] == onnx.TensorProto.FLOAT
    for node in weighted[1:]:
        assert producer[node.input[0]].op_type != "DequantizeLinear"
    assert "DequantizeLinear" in {node.op_type for node in graph.node}, "the trunk is still rounded"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_boundary_whose_reader_stays_float_does_not_cross_as_bytes(built, load, engine):
    keep = frozenset({"n_stage_2", "n_project_1"})
    loaded = load(engine, "int8", keep)
    outputs = {spec.name: spec.dtype for spec in loaded.chain.engines[1].outputs}
    assert outputs[loaded.chain.crossing[1][0]] == "float32"
    assert {s.name: s.dtype for s in loaded.chain.engines[0].outputs}[loaded.chain.crossing[0][0]] == "uint8"


def test_int8_without_ranges_is_refused(built):
    with pytest.raises(BuildError, match=r"int8: nothing was calibrated\. Give --data"):
        lower_graphs(replace(built.source, ranges=None), family="onnxruntime", precision="int8")


def test_a_candidate_that_an_engine_refuses_is_an_engine_error(built):
    graphs = lower_graphs(built.source, family="openvino", precision="bfloat16")
    candidate = Candidate(engine="onnxruntime", precision="bfloat16")
    with pytest.raises(EngineError):
        load_candidate(candidate, graphs, load_backend("onnxruntime"), built.prepared, threads=2)


def test_weights_of_int8_graphs_are_a_quarter(built):
    float32 = lower_graphs(built.source, family="onnxruntime", precision="float32")
    int8 = lower_graphs(built.source, family="onnxruntime", precision="int8")

    def weights(graph):
        tensors = onnx.load_from_string(graph).graph.initializer
        return [np.prod(t.dims) * ir.DataType(t.data_type).itemsize for t in tensors if len(t.dims) == 4]

    for small, large in zip(int8.segments, float32.segments, strict=True):
        assert sum(weights(small)) * 4 == sum(weights(large)) > 0
