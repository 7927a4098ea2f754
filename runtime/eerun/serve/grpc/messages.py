"""The classes of gRPC's messages, made when the module is imported: no generated file that fits one protobuf only."""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from eerun.serve.grpc.message_table import ENUMS, HEALTH, INFERENCE, MESSAGES, ONEOFS

__all__ = ["message"]

_KINDS = descriptor_pb2.FieldDescriptorProto


def message(name: str, package: str = INFERENCE) -> Any:
    """Return the class of a message, such as `ModelInferRequest`."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{package}.{name}"))


def _pool() -> Any:
    """A pool of our own, so that messages of the same names which a client in this process has do not matter."""
    pool = descriptor_pool.DescriptorPool()
    for package in (INFERENCE, HEALTH):
        pool.AddSerializedFile(_file(package).SerializeToString())
    return pool


def _file(package: str) -> Any:
    """The description of a package's messages."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    described = {name: _described(file, name) for name in MESSAGES[package]}
    for name, values in ENUMS[package].items():
        outer, _, inner = name.rpartition(".")
        enum = (described[outer] if outer else file).enum_type.add(name=inner)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    for name, fields in MESSAGES[package].items():
        if name in ONEOFS:
            described[name].oneof_decl.add(name=ONEOFS[name])
        for field in filter(None, fields.split(", ")):
            _add_field(described[name], f"{package}.{name}", *field.split(" "))
    return file


def _described(file: Any, name: str) -> Any:
    """An empty description of a message, inside of the one that its name says; outer ones come first in the table."""
    outer, _, inner = name.rpartition(".")
    if not outer:
        return file.message_type.add(name=inner)
    return next(each for each in file.message_type if each.name == outer).nested_type.add(name=inner)


def _add_field(described: Any, full_name: str, kind: str, name: str, number: str) -> None:
    """Describe one field of a message whose name is `package.Message`."""
    package = INFERENCE if full_name.startswith(f"{INFERENCE}.") else HEALTH
    field = described.field.add(name=name, number=int(number), label=_KINDS.LABEL_OPTIONAL)
    if kind.endswith("[]") or kind.startswith("map:"):
        field.label = _KINDS.LABEL_REPEATED
    if kind.startswith("map:"):
        entry = described.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        _add_field(entry, full_name, "string", "key", "1")
        _add_field(entry, full_name, kind.removeprefix("map:"), "value", "2")
        kind, field.type_name = "Entry", f".{full_name}.{entry.name}"
    base = kind.removesuffix("[]")
    if not base[0].isupper():
        field.type = getattr(_KINDS, f"TYPE_{base.upper()}")
    else:
        field.type = _KINDS.TYPE_ENUM if base in ENUMS[package] else _KINDS.TYPE_MESSAGE
        field.type_name = field.type_name or f".{package}.{base}"
    if described.name in ONEOFS:
        field.oneof_index = 0


_POOL = _pool()
