"""Weights in other files are refused however the graph is written, and nothing else is."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from eengines.backends import load_backend
from eengines.backends.external_weights import refuse_external_weights
from eengines.errors import EngineError

OUTSIDE = "weights in another file"
NO_GRAPH = "not an ONNX graph"


def number(value: int, *, longer: int = 0) -> bytes:
    """A varint, with `longer` bytes more than it needs."""
    low = []
    while not low or value:
        low.append(value & 0x7F)
        value >>= 7
    low += [0] * longer
    return bytes([part | 0x80 for part in low[:-1]] + low[-1:])


def message(field: int, content: bytes, *, longer: int = 0) -> bytes:
    """A length-delimited field."""
    return number(field << 3 | 2, longer=longer) + number(len(content), longer=longer) + content


def tensor(name: str = "w") -> TensorProto:
    return numpy_helper.from_array(np.ones((2, 3), np.float32), name)


def moved(given: TensorProto) -> TensorProto:
    """The tensor with its values in another file."""
    made = TensorProto(name=given.name, data_type=given.data_type, dims=given.dims)
    made.data_location = TensorProto.EXTERNAL
    made.external_data.add(key="location", value="w.bin")
    return made


def sparse(values: TensorProto, indices: TensorProto) -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=values, indices=indices, dims=[9])


def graph(*nodes: onnx.NodeProto, initializers: tuple[TensorProto, ...] = ()) -> onnx.GraphProto:
    return helper.make_graph([*nodes], "g", [], [], [*initializers])


def node(**fields: object) -> onnx.NodeProto:
    """A node with one attribute of these fields; graphs and tensors."""
    attribute = AttributeProto(name="a", **fields)
    return onnx.NodeProto(op_type="Constant", output=["y"], attribute=[attribute])


def model(made: onnx.GraphProto) -> onnx.ModelProto:
    return helper.make_model(made, ir_version=10)


def in_sparse_initializer(t: TensorProto) -> onnx.ModelProto:
    made = graph()
    made.sparse_initializer.append(sparse(tensor(), t))
    return model(made)


def in_function(t: TensorProto) -> onnx.ModelProto:
    made = model(graph())
    made.functions.append(onnx.FunctionProto(name="f", node=[node(t=t)]))
    return made


def in_default_of_function(t: TensorProto) -> onnx.ModelProto:
    made = model(graph())
    made.functions.append(onnx.FunctionProto(name="f", attribute_proto=[AttributeProto(name="a", t=t)]))
    return made


def in_training(t: TensorProto) -> onnx.ModelProto:
    made = model(graph())
    made.training_info.append(onnx.TrainingInfoProto(initialization=graph(initializers=(t,))))
    return made


PLACES: dict[str, Callable[[TensorProto], onnx.ModelProto]] = {
    "initializer": lambda t: model(graph(initializers=(tensor("first"), t))),
    "sparse initializer": in_sparse_initializer,
    "constant": lambda t: model(graph(node(t=t))),
    "list of tensors": lambda t: model(graph(node(tensors=[tensor(), t]))),
    "sparse constant": lambda t: model(graph(node(sparse_tensor=sparse(t, tensor())))),
    "list of sparse tensors": lambda t: model(graph(node(sparse_tensors=[sparse(tensor(), t)]))),
    "branch": lambda t: model(graph(node(g=graph(node(g=graph(initializers=(t,))))))),
    "list of graphs": lambda t: model(graph(node(graphs=[graph(), graph(node(t=t))]))),
    "function": in_function,
    "default of a function": in_default_of_function,
    "training": in_training,
}


@pytest.mark.parametrize("place", PLACES)
def test_every_place_of_a_tensor_is_looked_at(place: str):
    refuse_external_weights(PLACES[place](tensor()).SerializeToString(), "g")
    with pytest.raises(EngineError, match=OUTSIDE) as caught:
        refuse_external_weights(PLACES[place](moved(tensor())).SerializeToString(), "g")
    assert caught.value.where == "g"


@pytest.mark.parametrize("drop", ["external_data", "data_location"])
def test_one_of_the_two_fields_is_enough(drop: str):
    outside = moved(tensor())
    outside.ClearField(drop)
    with pytest.raises(EngineError, match=OUTSIDE):
        refuse_external_weights(PLACES["initializer"](outside).SerializeToString(), "g")


@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 7), st.booleans())
def test_overlong_numbers_hide_nothing(in_tag: int, in_length: int, in_value: int, by_entry: bool):
    """Protobuf reads numbers with leading zeros like any other."""
    entry = message(1, b"location", longer=in_length) + message(2, b"w.bin")
    if by_entry:
        outside = message(13, entry, longer=in_tag)
    else:
        outside = number(14 << 3, longer=in_tag) + number(1, longer=in_value)
    raw = tensor().SerializeToString() + outside
    made = model(graph()).SerializeToString() + message(7, message(5, raw, longer=in_length), longer=in_tag)
    (read,) = onnx.load_model_from_string(made).graph.initializer
    assert read.external_data or read.data_location == TensorProto.EXTERNAL
    with pytest.raises(EngineError, match=OUTSIDE):
        refuse_external_weights(made, "g")


@pytest.mark.parametrize("name", ["openvino", "reference"])
def test_backends_refuse_an_overlong_location(name: str):
    backend = (
        load_backend(name)
        if name == "reference" or pytest.importorskip("openvino", reason="openvino is not installed")
        else None
    )
    raw = moved(tensor())
    raw.ClearField("external_data")
    raw.ClearField("data_location")
    hidden = raw.SerializeToString() + message(13, b"\x0a\x88\x00location" + message(2, b"w.bin")) + number(14 << 3)
    made = model(graph()).SerializeToString() + message(7, message(5, hidden + number(1, longer=1)))
    assert backend is not None
    with pytest.raises(EngineError, match=OUTSIDE):
        backend.load(made, threads=2)


def test_words_are_not_weights():
    """A key `location` is harmless where it is no tensor's."""
    made = PLACES["branch"](tensor("location"))
    helper.set_model_props(made, {"location": "Oslo", "external_data": "none"})
    made.graph.metadata_props.add(key="location", value="Oslo")
    made.graph.initializer.append(helper.make_tensor("s", TensorProto.STRING, [1], [b"\x0a\x08location"]))
    refuse_external_weights(made.SerializeToString(), "g")


names = st.text(max_size=12)
tensors = st.one_of(
    st.builds(lambda n, v: helper.make_tensor(n, TensorProto.FLOAT, [len(v)], v), names, st.lists(st.floats(width=32))),
    st.builds(lambda n, v: helper.make_tensor(n, TensorProto.INT64, [len(v)], v), names, st.lists(st.integers(-9, 9))),
    st.builds(lambda n, v: helper.make_tensor(n, TensorProto.UINT8, [len(v)], v, raw=True), names, st.binary()),
    st.builds(lambda n, v: helper.make_tensor(n, TensorProto.STRING, [len(v)], v), names, st.lists(st.binary())),
)
attributes = st.one_of(
    st.builds(lambda t: {"t": t}, tensors),
    st.builds(lambda f, i: {"floats": f, "ints": i}, st.lists(st.floats(width=32)), st.lists(st.integers(-9, 2**40))),
    st.builds(lambda s: {"s": s}, st.binary()),
)
graphs = st.recursive(
    st.builds(lambda t: graph(initializers=tuple(t)), st.lists(tensors, max_size=3)),
    lambda inner: st.builds(
        lambda fields, branches, t: graph(
            *(node(**f) for f in fields), *(node(g=b) for b in branches), initializers=tuple(t)
        ),
        st.lists(attributes, max_size=3),
        st.lists(inner, max_size=2),
        st.lists(tensors, max_size=2),
    ),
    max_leaves=6,
)


@given(graphs, names)
def test_graphs_with_all_inside_are_accepted(made: onnx.GraphProto, text: str):
    whole = model(made)
    whole.doc_string = text
    helper.set_model_props(whole, {"location": text})
    refuse_external_weights(whole.SerializeToString(), "g")


@given(graphs, st.data())
def test_a_cut_graph_is_refused(made: onnx.GraphProto, data: st.DataObject):
    """The graph comes last, so that a cut is inside it."""
    whole = number(1 << 3) + number(10) + message(7, made.SerializeToString() + message(10, b"doc"))
    refuse_external_weights(whole, "g")
    with pytest.raises(EngineError, match=NO_GRAPH):
        refuse_external_weights(whole[: data.draw(st.integers(0, len(whole) - 1))], "g")


@given(st.binary())
def test_bytes_are_accepted_or_refused_and_nothing_else_happens(content: bytes):
    try:
        refuse_external_weights(content, "g")
    except EngineError:
        return
    assert onnx.ModelProto.FromString(content).HasField("graph")


VERSION = number(1 << 3) + number(10)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        VERSION,
        message(7, b""),
        VERSION + number(7 << 3) + number(1),
        message(1, b"1") + message(7, b""),
        VERSION + message(7, b"") + number(0) + b"\x01",
        VERSION + message(7, b"") + number(40 << 3 | 3) + number(40 << 3 | 4),
        VERSION + message(7, b"") + b"\xff" * 11,
        VERSION + message(7, b"") + number(40 << 3) + b"\xff" * 9 + b"\x7f",
        VERSION + number(7 << 3 | 2) + b"\xff" * 4 + b"\x7f",
        b'<?xml version="1.0"?><net name="m" version="11"><layers/></net>',
        b'\n  <net name="m" version="11"><layers/></net>',
    ],
)
def test_what_is_no_graph_is_refused(content: bytes):
    with pytest.raises(EngineError, match=NO_GRAPH):
        refuse_external_weights(content, "g")


def test_an_openvino_file_is_refused_by_openvino():
    pytest.importorskip("openvino", reason="openvino is not installed")
    xml = b'<?xml version="1.0"?><net name="m" version="11"><layers></layers><edges></edges></net>'
    with pytest.raises(EngineError, match=NO_GRAPH):
        load_backend("openvino").load(xml, threads=2)


def test_deep_nesting_does_not_end_the_process():
    content = b""
    for _ in range(2000):
        content = message(1, message(5, message(6, content)))
    refuse_external_weights(VERSION + message(7, content), "g")


def test_reference_names_its_reason_for_an_unknown_operator():
    made = model(helper.make_graph([helper.make_node("NoSuch", ["x"], ["y"])], "g", [], []))
    with pytest.raises(EngineError, match=r"onnx\.reference refuses the graph"):
        load_backend("reference").load(made.SerializeToString(), threads=2)
