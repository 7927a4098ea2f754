"""Texts of flags become values."""

import pytest

from eecompile.cli.values import parse_arguments, parse_list, parse_pairs
from eengines.errors import UserError


def test_arguments_are_pythons_constants_or_text():
    text = "classes=10,channels=[16,32], stem=cifar,side=1.5,bias=True,names=['a','b'],sizes=(1,2),none=None"
    expected = {
        "classes": 10,
        "channels": [16, 32],
        "stem": "cifar",
        "side": 1.5,
        "bias": True,
        "names": ["a", "b"],
        "sizes": [1, 2],
        "none": None,
    }
    assert parse_arguments("--arch-args", text) == expected
    assert parse_arguments("--arch-args", None) == {}


def test_pairs_stay_texts():
    assert parse_pairs("--choose", "layer1.0=fc,layer2.1 = none") == {"layer1.0": "fc", "layer2.1": "none"}


@pytest.mark.parametrize("text", ["", "a", "a=", "=3", "a=1,,b=2", "a=1,a=2"])
def test_what_is_no_pair_is_refused(text):
    with pytest.raises(UserError, match=r"--choose: got .*, expected name=value"):
        parse_pairs("--choose", text)


@pytest.mark.parametrize(("kind", "example"), [(int, "16,32"), (float, "0.9,0.8")])
def test_a_list_of_other_values_is_refused_with_an_example_that_fits(kind, example):
    with pytest.raises(UserError, match=f"--lengths: got 'abc', expected .*{example}"):
        parse_list("--lengths", "abc", kind)
    assert parse_list("--lengths", example, kind) is not None
