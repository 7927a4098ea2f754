"""`config.pbtxt` is what Triton's published schema says, and says what the bundle is."""

import pytest
from triton_backend import read_config

from eecompile.export import ExportSettings, InstanceKind
from eecompile.export.triton_config import ModelFacts, config_text
from eengines.errors import UserError
from eerun.bundle import InputEntry


def facts(**changes) -> ModelFacts:
    given = {
        "name": "net",
        "inputs": (InputEntry(name="x", dtype="uint8", shape=(3, 8, 8)),),
        "output_shape": (10,),
        "max_batch": 32,
        "max_queue_delay_us": 0,
        "kind": InstanceKind.CPU,
        "parameters": {"engine": "auto", "precision": "auto"},
    }
    return ModelFacts(**{**given, **changes})


@pytest.fixture
def parsed(tmp_path):
    def parse(**changes):
        folder = tmp_path / facts(**changes).name
        folder.mkdir()
        (folder / "config.pbtxt").write_text(config_text(facts(**changes)))
        return read_config(folder)

    return parse


def tensors(values):
    return {value.name: (value.data_type, list(value.dims)) for value in values}


def test_a_classifier(parsed):
    config = parsed()
    assert (config.backend, config.platform, config.max_batch_size) == ("python", "", 32)
    assert tensors(config.input) == {"x": (2, [3, 8, 8])}
    assert tensors(config.output) == {
        "logits": (11, [10]),
        "label": (9, [1]),
        "exit_index": (8, [1]),
        "exit_confidence": (11, [1]),
    }
    assert [(group.kind, group.count) for group in config.instance_group] == [(2, 1)]
    assert config.HasField("dynamic_batching")
    assert not config.model_transaction_policy.decoupled
    assert {name: value.string_value for name, value in config.parameters.items()} == facts().parameters


def test_a_dense_network_answers_every_pixel(parsed):
    config = parsed(output_shape=(4, 6, 5))
    assert tensors(config.output)["logits"] == (11, [4, 6, 5])
    assert tensors(config.output)["label"] == (9, [6, 5])


def test_a_sequence_has_any_length_and_requests_of_several_are_joined(parsed):
    text = InputEntry(name="ids", dtype="int64", shape=(128,), sequence=0)
    mask = InputEntry(name="kinds", dtype="float16", shape=(2, 128), sequence=1)
    config = parsed(inputs=(text, mask))
    assert tensors(config.input) == {"ids": (9, [-1]), "kinds": (10, [2, -1])}
    assert all(value.allow_ragged_batch for value in config.input)


def test_delay_kind_and_a_name_with_signs(parsed):
    given = InputEntry(name='a "b" \\ c\n', dtype="float32", shape=(2,))
    config = parsed(max_queue_delay_us=250, kind=InstanceKind.GPU, inputs=(given,))
    assert config.dynamic_batching.max_queue_delay_microseconds == 250
    assert config.instance_group[0].kind == 1
    assert config.input[0].name == given.name


@pytest.mark.parametrize("entry", [{"dtype": "complex64", "shape": (2,)}, {"dtype": "float32", "shape": ()}])
def test_an_input_that_triton_does_not_have_is_refused(entry):
    with pytest.raises(UserError, match=r"input 'x'.*does not take"):
        config_text(facts(inputs=(InputEntry(name="x", **entry),)))


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"version": 0}, "--version"),
        ({"max_batch": 0}, "--max-batch"),
        ({"max_queue_delay_us": -1}, "--max-queue-delay-us"),
        ({"threads": 0}, "--threads"),
        ({"name": "a/b"}, "--name"),
        ({"name": ".hidden"}, "--name"),
        ({"name": ""}, "--name"),
    ],
)
def test_settings_that_cannot_be(changes, flag):
    with pytest.raises(UserError) as caught:
        ExportSettings(**changes)
    assert caught.value.where == flag
