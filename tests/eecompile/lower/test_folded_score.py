"""Scores of a folded network: every image of a row is scored as if it had a row of its own."""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from policy_examples import FOR_ROWS, policy_example

from eecompile.lower import own_logits_name
from eengines.backends.onnxruntime import session_options
from eengines.errors import BuildError

EXITS, CLASSES, OPSET = 3, 5, 20
TOLERANCE = 2e-6
"""As in the suite of unfolded scores."""


@pytest.fixture(scope="module")
def chains(exit_builder):
    """Exits of every policy, with a session each: `(policy, fold)`."""
    made = {}

    def chain(policy: str, fold: int):
        if (policy, fold) not in made:
            exits = [
                exit_builder(policy, classes=CLASSES, index=index, last=index == EXITS - 1, opset=OPSET, images=(fold,))
                for index in range(EXITS)
            ]
            made[policy, fold] = [(open_session(exit_.model), exit_.score) for exit_ in exits]
        return made[policy, fold]

    return chain


def open_session(model: ir.Model) -> ort.InferenceSession:
    serialized = ir.to_proto(model).SerializeToString()
    return ort.InferenceSession(serialized, session_options(threads=2), providers=["CPUExecutionProvider"])


def close(got, want) -> None:
    relative = 0 if np.issubdtype(want.dtype, np.integer) else 1e-6
    np.testing.assert_allclose(got, want, atol=TOLERANCE, rtol=relative)


@pytest.mark.parametrize("policy", FOR_ROWS)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(rows=st.integers(1, 5), fold=st.sampled_from([2, 4]), data=st.data())
def test_an_image_is_scored_as_in_a_row_of_its_own(chains, policy, rows, fold, data):
    example, state, carried = policy_example(policy, classes=CLASSES), None, {}
    tied = st.sampled_from([-80.0, -1.0, 0.0, 1.0, 80.0])
    for index, (session, names) in enumerate(chains(policy, fold)):
        drawn = arrays(np.float32, (rows * fold, CLASSES), elements=tied | st.floats(-80, 80, width=32))
        logits = data.draw(drawn)
        given = {"raw": logits.reshape(rows, fold, CLASSES), **{name: carried[name] for name in names.state_in}}
        score, answer, *handed_on = session.run([names.score, "logits", *names.state_out], given)
        expected, state = example.score(logits, state, exit_index=index)
        last = index == EXITS - 1
        close(score, expected.reshape(rows, fold))
        close(answer.reshape(-1, CLASSES), logits if last else example.answer(logits, state))
        for got, want in zip(handed_on, () if last else state, strict=True):
            assert got.dtype == want.dtype
            close(got, want.reshape(rows, fold, *want.shape[1:]))
        carried = dict(zip(names.state_out, handed_on, strict=True))


@pytest.mark.parametrize("policy", FOR_ROWS)
@pytest.mark.parametrize("index", range(EXITS))
def test_the_graph_is_valid_and_reads_all_that_it_is_given(exit_builder, policy, index):
    made = exit_builder(policy, classes=CLASSES, index=index, last=index == EXITS - 1, opset=OPSET, images=(4,))
    onnx.checker.check_model(ir.to_proto(made.model), full_check=True)
    graph = made.model.graph
    assert all(value.uses() for value in graph.inputs)
    state = [node.outputs[0] for node in graph if node.op_type == "Reshape" and node.inputs[0] in graph.inputs]
    assert all(value.uses() for value in state)
    assert all(value.uses() for value in graph.initializers.values())
    assert all(str(node.name).startswith(f"score_{index}/") for node in list(graph)[2:])
    shapes = {str(value.name): tuple(map(str, value.shape)) for value in graph.outputs}
    assert shapes[f"score_{index}"] == ("batch", "4")
    assert shapes["logits"] == ("batch", "4", str(CLASSES))


def test_an_answer_that_stands_for_the_logits_has_their_shape(exit_builder):
    made = exit_builder("geometric-ensemble", classes=CLASSES, index=0, last=False, opset=OPSET, images=(2,))
    assert made.score.own_logits == own_logits_name(0)
    assert tuple(map(str, made.model.graph.outputs[0].shape)) == ("batch", "2", str(CLASSES))


def test_images_of_an_unknown_number_are_refused(exit_builder):
    with pytest.raises(BuildError, match="expected a fixed number of images a row"):
        exit_builder("margin", classes=CLASSES, index=0, last=False, opset=OPSET, images=("images",))
