"""Which card is built for, and with which version."""

from types import SimpleNamespace

import pytest
from required import require_rtx

from eengines.errors import EngineError
from eengines.nvinfer.cards import card_precisions, choose_card


def full(version):
    """Full TensorRT, of which only the version counts here."""
    return SimpleNamespace(__version__=version)


@pytest.mark.parametrize(
    ("version", "card"),
    [
        ("8.6.1", (6, 0)),
        ("8.6.1", (7, 0)),
        ("10.4.0", (7, 0)),
        ("10.4.0.26", (7, 5)),
        ("11.4.0.106", (9, 0)),
        ("11.4.0", (10, 0)),
    ],
)
def test_a_card_that_is_here_and_supported(version, card):
    assert choose_card(full(version), "TensorRT", card, card) == card
    assert choose_card(full(version), "TensorRT", None, card) == card


@pytest.mark.parametrize(
    ("version", "card", "last"),
    [
        ("10.0.1", (6, 0), "8.6.1"),
        ("11.4.0.106", (6, 1), "8.6.1"),
        ("10.5.0", (7, 0), "10.4.0"),
        ("11.4.0.106", (7, 2), "10.4.0"),
    ],
)
def test_a_card_that_the_version_has_dropped(version, card, last):
    with pytest.raises(EngineError, match=rf"the last that does is {last}\. pip install 'tensorrt=={last}'"):
        choose_card(full(version), "TensorRT", card, card)


def test_full_tensorrt_builds_on_the_card_itself():
    with pytest.raises(EngineError, match=r"sm_75, here is sm_90\. Build on a machine with NVIDIA T4"):
        choose_card(full("11.4.0"), "TensorRT", (7, 5), (9, 0))
    with pytest.raises(EngineError, match=r"sm_90, here is no GPU\. Build on a machine with NVIDIA H100"):
        choose_card(full("11.4.0"), "TensorRT", (9, 0), None)
    with pytest.raises(EngineError, match="there is no GPU here, and none was named"):
        choose_card(full("11.4.0"), "TensorRT", None, None)


def test_precisions_of_a_card_and_of_one_of_its_generation():
    assert card_precisions(full("11.4.0"), (7, 5)) == {"float32", "float16", "int8"}
    assert card_precisions(full("8.6.1"), (6, 1)) == card_precisions(full("8.6.1"), (6, 0)) == {"float32", "float16"}
    assert "bfloat16" in card_precisions(full("11.4.0"), (12, 1))
    assert card_precisions(full("11.4.0"), (13, 0)) == {"float32"}


def test_cards_of_tensorrt_for_rtx():
    trt = require_rtx()
    for card in ((7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1)):
        assert choose_card(trt, "RTX", card, None) == choose_card(trt, "RTX", None, card) == card
    for card, other in (
        ((6, 0), "TensorRT 8.6.1"),
        ((7, 0), "TensorRT 10.4.0"),
        ((9, 0), "TensorRT"),
        ((10, 0), "TensorRT"),
    ):
        with pytest.raises(
            EngineError, match=rf"does not build for sm_{card[0]}{card[1]}, it knows sm_75.*with {other}\."
        ):
            choose_card(trt, "RTX", card, None)
    with pytest.raises(EngineError, match="Name a card with --target"):
        choose_card(trt, "RTX", None, None)
    assert card_precisions(trt, (7, 5)) == {"float32", "float16"}, "INT8 is rounded there, but computed in float"
    assert card_precisions(trt, (8, 0)) == {"float32", "float16", "bfloat16", "int8"}
