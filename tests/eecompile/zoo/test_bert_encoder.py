"""The encoder: padding never counts, and both axes stay free in ONNX."""

import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eecompile.zoo.bert_encoder import BertEncoder, bert_encoder
from eengines.backends.onnxruntime import session_options

VOCABULARY, CLASSES, LONGEST = 40, 3, 24


@pytest.fixture(scope="module")
def encoder() -> BertEncoder:
    """Two layers whose weights are large enough that every token matters."""
    torch.manual_seed(0)
    network = bert_encoder(VOCABULARY, CLASSES, layers=2, width=16, heads=4, feed_forward=32, max_length=LONGEST)
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim == 2:
                weight.mul_(10.0)
    return network.eval()


@pytest.fixture(scope="module")
def session(encoder) -> onnxruntime.InferenceSession:
    batch, length = torch.export.Dim("batch", min=1), torch.export.Dim("length", min=1, max=LONGEST)
    tokens, mask = padded([[1, 2, 3, 4, 5], [6, 7]], 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            encoder,
            (tokens, mask),
            None,
            dynamo=True,
            dynamic_shapes=({0: batch, 1: length}, {0: batch, 1: length}),
            input_names=["input_ids", "attention_mask"],
            opset_version=20,
            verbose=False,
        )
    return onnxruntime.InferenceSession(program.model_proto.SerializeToString(), session_options(2))


def padded(texts: list[list[int]], length: int) -> tuple[torch.Tensor, torch.Tensor]:
    tokens = [[*text, *[0] * (length - len(text))] for text in texts]
    mask = [[1] * len(text) + [0] * (length - len(text)) for text in texts]
    return torch.tensor(tokens), torch.tensor(mask)


def answer(encoder: BertEncoder, tokens: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return encoder(tokens, mask).numpy()


texts = st.lists(st.integers(1, VOCABULARY - 1), min_size=1, max_size=LONGEST)


@settings(max_examples=40, deadline=None)
@given(batch=st.lists(texts, min_size=1, max_size=4), data=st.data())
def test_padding_does_not_change_an_answer(encoder, batch, data):
    longest = max(len(text) for text in batch)
    tokens, mask = padded(batch, data.draw(st.integers(longest, LONGEST)))
    alone = [answer(encoder, *padded([text], len(text)))[0] for text in batch]
    np.testing.assert_allclose(answer(encoder, tokens, mask), alone, rtol=0, atol=1e-5)


def test_tokens_under_the_mask_do_not_count_and_others_do(encoder):
    tokens, mask = padded([[3, 4, 5]], 8)
    other = torch.where(mask == 0, 17, tokens)
    np.testing.assert_allclose(answer(encoder, other, mask), answer(encoder, tokens, mask), rtol=0, atol=1e-5)
    changed = tokens.clone()
    changed[0, 2] = 17
    assert np.abs(answer(encoder, changed, mask) - answer(encoder, tokens, mask)).max() > 1e-2
    swapped = tokens[:, [0, 2, 1, 3, 4, 5, 6, 7]]
    assert np.abs(answer(encoder, swapped, mask) - answer(encoder, tokens, mask)).max() > 1e-2


def test_without_the_mask_padding_would_count(encoder):
    tokens, mask = padded([[3, 4, 5]], 8)
    ignored = answer(encoder, tokens, torch.ones_like(mask))
    assert np.abs(ignored - answer(encoder, tokens, mask)).max() > 1e-2


def test_a_row_that_is_all_padding_gives_numbers(encoder):
    tokens, mask = padded([[3, 4, 5], []], 8)
    answers = answer(encoder, tokens, mask)
    assert np.isfinite(answers).all()
    np.testing.assert_allclose(answers[:1], answer(encoder, *padded([[3, 4, 5]], 3)), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("batch", "length"), [(1, 1), (1, LONGEST), (3, 7), (5, 16)])
def test_onnx_takes_any_batch_and_length(encoder, session, batch, length):
    random = np.random.default_rng(batch * 100 + length)
    lengths = random.integers(1, length + 1, batch)
    tokens, mask = padded([list(random.integers(1, VOCABULARY, n)) for n in lengths], length)
    feed = {"input_ids": tokens.numpy(), "attention_mask": mask.numpy()}
    (logits,) = session.run(None, feed)
    np.testing.assert_allclose(logits, answer(encoder, tokens, mask), rtol=0, atol=1e-5)


def test_onnx_names_both_axes(session):
    assert [value.shape for value in session.get_inputs()] == [["batch", "length"]] * 2
    assert session.get_outputs()[0].shape == ["batch", CLASSES]


def test_training_drops_and_learns_every_weight_but_segment_one():
    torch.manual_seed(0)
    network = bert_encoder(VOCABULARY, CLASSES, layers=1, width=8, heads=2, feed_forward=8, max_length=6).train()
    tokens = torch.arange(1, 7).repeat(2, 1)
    assert not torch.equal(network(tokens, torch.ones_like(tokens)), network(tokens, torch.ones_like(tokens)))
    network(tokens, torch.ones_like(tokens)).square().sum().backward()
    still = {name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()}
    assert still <= {"layers.0.attention.key.bias"}  # softmax does not see it
    assert not network.embeddings.token_types.weight.grad[1].any()
    assert not network.embeddings.words.weight[0].any()
