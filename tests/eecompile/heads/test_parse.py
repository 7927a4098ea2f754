"""`--heads` and what a checkpoint stores: both give the same heads, and say what does not fit."""

import pytest

from eecompile.heads import KINDS, all_kinds, head_from, parse_heads
from eecompile.heads.bof import BofHead
from eecompile.heads.conv import ConvHead
from eecompile.heads.conv3 import Conv3Head
from eecompile.heads.fc import FcHead
from eecompile.heads.pool import PoolHead
from eengines.errors import IngestError, UserError


def test_names_places_and_defaults():
    assert parse_heads("fc,pool(size=2048,hidden=256),conv(5,2)") == (
        FcHead(hidden=1024),
        PoolHead(size=2048, hidden=256),
        ConvHead(kernel=5, stride=2),
    )
    assert parse_heads(" pool ( 512 , hidden = 8 ) , conv3() ,bof(window=0)") == (
        PoolHead(size=512, hidden=8),
        Conv3Head(),
        BofHead(),
    )
    assert parse_heads("fc(8),fc(16)") == (FcHead(hidden=8), FcHead(hidden=16))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "cannot read ''"),
        ("fc,", "cannot read ''"),
        ("fc(3", "cannot read 'fc(3'"),
        ("fc conv", "cannot read 'fc conv'"),
        ("fc,mlp", f"got 'mlp', expected one of {', '.join(KINDS)}"),
        ("pool(width=3)", "got 'width=3' for pool, expected at most size, hidden"),
        ("pool(1,2,3)", "got '3' for pool, expected at most size, hidden"),
        ("conv3(3)", "got '3' for conv3, expected no options"),
        ("pool(9,size=3)", "gives size of pool twice"),
        ("fc(wide)", "got 'wide' for fc, expected a whole number"),
        ("fc(1.5)", "got '1.5' for fc, expected a whole number"),
        ("fc(hidden=)", "got 'hidden=' for fc, expected a whole number"),
        ("fc(0)", "head 'fc': got hidden=0, expected a whole number of 1 to 2147483647"),
        ("bof(window=-1)", "head 'bof': got window=-1, expected a whole number of 0 to 2147483647"),
        ("conv,fc(7),fc(hidden=7)", "names fc(hidden=7) twice"),
    ],
)
def test_what_cannot_be_read(text, told):
    with pytest.raises(UserError, match="--heads") as raised:
        parse_heads(text)
    assert told in str(raised.value)
    assert raised.value.remedy


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.name)
def test_options_are_plain_values_that_make_the_same_head(kind):
    assert KINDS[kind.name] is type(kind)
    changed = type(kind)(**{name: value + 1 for name, value in kind.options().items()})
    for each in (kind, changed):
        assert head_from(each.name, each.options()) == each
        written = ",".join(f"{name}={value}" for name, value in each.options().items())
        assert parse_heads(f"{each.name}({written})") == (each,)


def test_an_option_that_a_checkpoint_does_not_name_has_its_default():
    assert head_from("pool", {"hidden": 3}) == PoolHead(hidden=3)


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("mlp", {}, "head 'mlp': is no kind of head, expected one of fc,"),
        ("fc", {"width": 3}, "head 'fc': has no option width, expected of hidden"),
        ("conv3", {"width": 3}, "expected of none at all"),
        ("fc", {"hidden": "3"}, "got hidden='3', expected a whole number"),
        ("fc", {"hidden": True}, "got hidden=True, expected a whole number"),
        ("fc", {"hidden": -3}, "got hidden=-3, expected a whole number of 1 to 2147483647"),
    ],
)
def test_checkpoints_are_read_strictly(kind, options, told):
    with pytest.raises(IngestError, match="checkpoint: ") as raised:
        head_from(kind, options)
    assert told in str(raised.value)
