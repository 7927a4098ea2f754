"""Where a head cannot be put, and what is said about it."""

import pytest

from eecompile.heads import KINDS, parse_heads

MAP, VECTOR, SENTENCE = (16, 8, 8), (64,), (6, 32)
DENSE = (4, 16, 16)

ROW = "the trunk answers a map [4, 16, 16], expected one row of classes"
NO_MAP = "expected a map [channels, height, width]"
NO_TOKENS = "got tokens [6, 32], expected a map or a vector"

REFUSED = [
    *[(kind, MAP, {"output": DENSE}, ROW) for kind in ("fc", "pool", "conv", "strided", "conv3", "bof")],
    *[(kind, SENTENCE, {"output": DENSE, "later": [SENTENCE]}, ROW) for kind in ("pooler", "remainder")],
    *[(kind, SENTENCE, {}, NO_TOKENS) for kind in ("fc", "pool", "conv", "linear")],
    *[(kind, VECTOR, {}, f"got a vector [64], {NO_MAP}") for kind in ("strided", "conv3", "bof", "simple")],
    *[(kind, SENTENCE, {}, f"got tokens [6, 32], {NO_MAP}") for kind in ("strided", "conv3", "bof", "simple")],
    ("pooler", MAP, {}, "got a map [16, 8, 8], expected tokens [tokens, width]"),
    ("pool(4096)", (10007,), {}, "pooling 10007 values to 4096 takes a table of 40988672"),
    ("conv(65)", VECTOR, {}, "the feature has 64 values, expected at least the 65 of the kernel"),
    ("conv3", (3, 8, 8), {}, "the map has 3 channels, expected 4 or more"),
    ("bof(window=9)", MAP, {}, "the map is 8x8, expected at least one window of 9x9"),
    ("linear(3)", MAP, {}, "the map is 8x8, expected sides that 3 divides"),
    ("linear(2)", VECTOR, {}, "expected side=1: nothing is pooled where the feature is a vector"),
    ("linear(2)", MAP, {"output": DENSE}, "expected side=1: nothing is pooled where answers are dense"),
    ("linear", MAP, {"output": (4, 12, 16)}, "a map of 8x8 cannot become 12x16"),
    ("linear", VECTOR, {"output": DENSE}, NO_MAP),
    ("simple", MAP, {"output": (4, 12, 16)}, "a map of 8x8 cannot become 12x16"),
    ("remainder", VECTOR, {"later": [VECTOR]}, "got a vector [64], expected a map or tokens"),
    ("remainder", MAP, {}, "nothing of the trunk is left"),
    ("remainder", MAP, {"later": [VECTOR]}, "nothing of the trunk is left"),
    ("remainder", SENTENCE, {}, "nothing of the trunk is left"),
    ("remainder", MAP, {"later": [(32, 5, 4)]}, "a map goes from [16, 8, 8] to [32, 5, 4]"),
    ("remainder", MAP, {"later": [(32, 12, 16)]}, "a map goes from [16, 8, 8] to [32, 12, 16]"),
    ("remainder", MAP, {"later": [(32, 3, 3)], "output": DENSE}, "a map of 3x3 cannot become 16x16"),
    ("deconv", MAP, {}, "the trunk answers [10], expected a map [classes, height, width]"),
    ("deconv", VECTOR, {"output": DENSE}, f"got a vector [64], {NO_MAP}"),
    ("deconv", MAP, {"later": [(32, 5, 4)], "output": DENSE}, "a map goes from [16, 8, 8]"),
    ("deconv", (16, 16, 16), {"output": DENSE}, "the last map is 16x16 before an answer of 16x16"),
    ("deconv", MAP, {"output": (4, 24, 24)}, "expected one that is smaller by 2, 4, 8"),
    ("deconv", MAP, {"output": (4, 16, 32)}, "the last map is 8x8 before an answer of 16x32"),
]


@pytest.mark.parametrize(("head", "shape", "where", "told"), REFUSED)
def test_refused_with_what_was_got_and_expected(place, head, shape, where, told):
    (kind,) = parse_heads(head)
    assert told in kind.refusal(place(shape, **where))
    assert "expected" in kind.refusal(place(shape, **where))


def test_every_kind_refuses_something():
    assert {parse_heads(head)[0].name for head, *_ in REFUSED} == set(KINDS)
