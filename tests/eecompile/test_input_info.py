"""What a raw sample looks like, and which descriptions do not fit together."""

import pytest

from eecompile.input_info import InputInfo
from eengines.errors import IngestError

IMAGE = {"name": "x", "shape": (32, 24, 3), "dtype": "uint8", "layout": "NHWC"}


def test_the_network_sees_channels_first():
    info = InputInfo(**IMAGE, scale=1 / 255)
    assert info.channels == 3
    assert info.network_shape == (3, 32, 24)
    assert info.network_dtype == "float32"


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool"])
def test_indices_and_masks_stay_what_they_are(dtype: str):
    assert InputInfo(name="ids", shape=(16,), dtype=dtype).network_dtype == dtype
    assert InputInfo(name="ids", shape=(16,), dtype=dtype, scale=0.1).network_dtype == "float32"


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16", "float32"])
def test_other_types_become_float32(dtype: str):
    assert InputInfo(name="x", shape=(16,), dtype=dtype).network_dtype == "float32"


def test_a_dictionary_and_back():
    info = InputInfo(**IMAGE, mean=(0.5,), std=(0.1, 0.2, 0.3), range=(0, 255))
    assert InputInfo.from_dict(info.to_dict(), where="file", default_name=None) == info


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "empty name"),
        ({"shape": (32, 0, 3)}, r"has shape \[32, 0, 3\]"),
        ({"dtype": "float64"}, "has dtype 'float64', expected one of"),
        ({"layout": "CHW"}, "has layout CHW"),
        ({"shape": (32, 3)}, r"has layout NHWC and shape \[32, 3\]"),
        ({"mean": (0.1, 0.2)}, "has 2 values of mean, expected 1 or 3"),
        ({"std": (0.0,)}, "scale not zero, std positive"),
        ({"std": (1.0, -1.0, 1.0)}, "scale not zero, std positive"),
        ({"scale": 0.0}, "scale not zero"),
        ({"scale": float("inf")}, "finite"),
        ({"mean": (float("nan"),)}, "finite"),
        ({"range": (5.0, 5.0)}, r"has range \[5\.0, 5\.0\]"),
    ],
)
def test_refusals(changes: dict[str, object], words: str):
    with pytest.raises(IngestError, match=words):
        InputInfo(**{**IMAGE, **changes})
