"""The messages are those of the published protocol, field by field, as tritonclient has them."""

import pytest
import tritonclient.grpc.service_pb2 as published
from google.protobuf.descriptor_pool import Default

from eerun.serve.grpc.message_table import ENUMS, HEALTH, INFERENCE, MESSAGES, METHODS
from eerun.serve.grpc.messages import message

NOT_A_CHOICE_HERE = {"dynamic_batching"}
"""Of the three schedulers that Triton's configuration can name, ours names one."""


def facts(field):
    choice = None if field.containing_oneof is None or field.name in NOT_A_CHOICE_HERE else field.containing_oneof.name
    return (
        field.number,
        field.type,
        field.is_repeated,
        field.has_presence if field.name not in NOT_A_CHOICE_HERE else True,
        None if field.message_type is None else field.message_type.full_name,
        None if field.enum_type is None else field.enum_type.full_name,
        choice,
    )


@pytest.mark.parametrize("name", MESSAGES[INFERENCE])
def test_every_field_is_the_published_one(name):
    ours, theirs = message(name).DESCRIPTOR, Default().FindMessageTypeByName(f"{INFERENCE}.{name}")
    assert ours.file.syntax if hasattr(ours.file, "syntax") else True
    assert {f.name: facts(f) for f in ours.fields} == {
        f.name: facts(theirs.fields_by_name[f.name]) for f in ours.fields
    }
    for map_field in (f for f in ours.fields if f.message_type is not None and f.message_type.GetOptions().map_entry):
        entry = theirs.fields_by_name[map_field.name].message_type
        assert [facts(f) for f in map_field.message_type.fields] == [facts(f) for f in entry.fields]


WHOLE = [
    name
    for name in MESSAGES[INFERENCE]
    if "Statistic" not in name and not name.startswith(("ModelConfig", "ModelInput", "ModelOutput", "ModelDynamic"))
]


@pytest.mark.parametrize("name", WHOLE)
def test_messages_of_the_protocol_itself_have_every_field(name):
    theirs = Default().FindMessageTypeByName(f"{INFERENCE}.{name}")
    assert [f.name for f in message(name).DESCRIPTOR.fields] == [f.name for f in theirs.fields]


def test_methods_and_their_messages_are_the_published_ones():
    service = published.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    for name in METHODS:
        method = service.methods_by_name[name]
        assert (method.input_type.name, method.output_type.name) == (f"{name}Request", f"{name}Response")


def test_enums_are_the_published_ones():
    theirs = Default().FindEnumTypeByName(f"{INFERENCE}.DataType")
    assert ENUMS[INFERENCE]["DataType"] == tuple(value.name for value in theirs.values)
    assert [value.number for value in theirs.values] == list(range(len(theirs.values)))


def test_bytes_of_one_are_read_by_the_other():
    ours = message("ModelInferRequest")(model_name="m", id="7", raw_input_contents=[b"\0\1"])
    ours.parameters["max_exit"].int64_param = 2
    ours.inputs.add(name="x", datatype="FP32", shape=[2, 3]).contents.fp32_contents.extend([1.5, 2.5])
    ours.outputs.add(name="logits").parameters["binary"].bool_param = True
    theirs = published.ModelInferRequest.FromString(ours.SerializeToString())
    assert (theirs.model_name, theirs.id, list(theirs.raw_input_contents)) == ("m", "7", [b"\0\1"])
    assert theirs.parameters["max_exit"].int64_param == 2
    assert (list(theirs.inputs[0].shape), list(theirs.inputs[0].contents.fp32_contents)) == ([2, 3], [1.5, 2.5])
    assert theirs.outputs[0].parameters["binary"].bool_param
    assert message("ModelInferRequest").FromString(theirs.SerializeToString()) == ours


def test_health_messages_have_the_numbers_of_the_health_protocol():
    check, answer = message("HealthCheckRequest", HEALTH), message("HealthCheckResponse", HEALTH)
    assert check(service="a").SerializeToString() == b"\x0a\x01a"
    assert answer(status="SERVING").SerializeToString() == b"\x08\x01"
    assert answer(status="NOT_SERVING").SerializeToString() == b"\x08\x02"
