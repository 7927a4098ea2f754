"""The exported `model.py`, run for real behind a stand-in for the backend: its answers are those of `Model.infer`."""

import numpy as np
import pytest
from folded_bundles import write_pair
from triton_backend import TritonError, TritonModelFolder

import eerun
from eecompile.export import ExportSettings, export_bundle


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def repository(pair, tmp_path_factory):
    out = tmp_path_factory.mktemp("models")
    for path in (pair.unfolded, pair.path):
        export_bundle(path, ExportSettings(engine="onnxruntime", threads=2), out)
    return out


@pytest.fixture(scope="module")
def served(repository):
    with TritonModelFolder(repository / "net-unfolded") as model:
        yield model


@pytest.fixture(scope="module")
def model(pair):
    with eerun.load(pair.unfolded, engine="onnxruntime", threads=2) as loaded:
        yield loaded


def check(answer, result):
    """An answer is that of `infer`; logits within the rounding of another batch size."""
    np.testing.assert_allclose(answer["logits"], result.outputs, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(answer["label"][:, 0], result.labels)
    np.testing.assert_array_equal(answer["exit_index"][:, 0], result.exit_index)
    np.testing.assert_allclose(answer["exit_confidence"][:, 0], result.confidence, rtol=1e-5, atol=1e-5)


def test_one_request(served, model, pair):
    (answer,) = served.execute(served.request({"x": pair.x[:16]}))
    result = model.infer(pair.x[:16])
    assert set(result.exit_index) == {0, 1}
    check(answer, result)


def test_requests_that_come_together_share_a_batch_and_are_told_apart(served, model, pair):
    before = served.model._model.statistics()
    starts = [(0, 3), (3, 4), (4, 10), (10, 16)]
    answers = served.execute(*(served.request({"x": pair.x[slice(*part)]}) for part in starts))
    for part, answer in zip(starts, answers, strict=True):
        check(answer, model.infer(pair.x[slice(*part)]))
    after = served.model._model.statistics()
    assert (after.requests - before.requests, after.samples - before.samples) == (1, 16)


def test_parameters_go_to_the_calls_that_have_them(served, model, pair):
    x = {"x": pair.x[:5]}
    plain, last, first = served.execute(
        served.request(x), served.request(x, min_exit=1, deadline_ms=60000), served.request(x, max_exit=0)
    )
    check(plain, model.infer(pair.x[:5]))
    check(last, model.infer(pair.x[:5], exits=False))
    assert (first["exit_index"] == 0).all()


def test_only_the_outputs_that_are_asked_for(served, pair):
    (answer,) = served.execute(served.request({"x": pair.x[:2]}, outputs=["label"]))
    assert set(answer) == {"label"}


def test_a_wrong_request_does_not_spoil_those_that_came_with_it(served, model, pair):
    broken = np.where(np.arange(pair.x[:2].size).reshape(pair.x[:2].shape) == 7, np.nan, pair.x[:2])
    answers = served.execute(
        served.request({"x": pair.x[:3]}),
        served.request({"x": broken.astype(np.float32)}),
        served.request({"x": pair.x[:1].astype(np.float64)}),
        served.request({"x": pair.x[:1]}, max_exit="late"),
        served.request({"x": pair.x[:1]}, max_exit=7),
        served.request({"x": pair.x[3:5]}),
    )
    check(answers[0], model.infer(pair.x[:3]))
    check(answers[5], model.infer(pair.x[3:5]))
    words = ["not finite", "got float64", "max_exit", "exit"]
    for answer, word in zip(answers[1:5], words, strict=True):
        assert isinstance(answer, TritonError)
        assert answer.code() == TritonError.INVALID_ARG
        assert word in answer.message()


def test_a_folded_network_answers_images(repository, pair):
    with TritonModelFolder(repository / "net") as folded, eerun.load(pair.path, threads=2) as alone:
        (answer,) = folded.execute(folded.request({"x": pair.x[:8]}))
        check(answer, alone.infer(pair.x[:8]))


def test_a_closed_model_refuses_explicitly(repository, pair):
    with TritonModelFolder(repository / "net-unfolded") as model:
        model.model.finalize()
        (answer,) = model.execute(model.request({"x": pair.x[:1]}))
        assert answer.code() == TritonError.UNAVAILABLE
        assert "closed" in answer.message()
