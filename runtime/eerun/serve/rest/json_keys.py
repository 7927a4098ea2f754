"""Find out whether an object of a request has a key twice, which decoders do not tell: they take the last one."""

import re

import msgspec

__all__ = ["check_keys"]

STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"(\s*+:)?', re.DOTALL)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def _count_keys(text: bytes) -> int:
    """Return the number of keys in JSON text, at every depth."""
    keys, start = 0, text.find(b'"')
    while start >= 0:  # from quote to quote: long data have none, and a pattern takes long to look for the next
        found = STRING.match(text, start)
        if found is None:
            break
        keys += found[1] is not None
        start = text.find(b'"', found.end())
    return keys


def check_keys(text: bytes) -> None:
    """Look at a request: at itself, its inputs and outputs, and their parameters; at no fields of other names.

    Raises:
        ValueError: a key is there twice.
    """
    top = _checked(_OBJECT.decode(text), _count_keys(text))
    _check_parameters(top)
    for name in ("inputs", "outputs"):
        whole = bytes(top.get(name, b"[]"))
        parts = _OBJECTS.decode(whole)
        if _count_keys(whole) != sum(len(part) + _below(part) for part in parts):
            raise ValueError(f"a key is twice in an object of {name}")
        for part in parts:
            _check_parameters(part)


def _checked(found: dict[str, msgspec.Raw], keys: int) -> dict[str, msgspec.Raw]:
    """An object, if it has all keys that its text has."""
    if keys != len(found) + _below(found):
        raise ValueError("a key is twice in an object")
    return found


def _below(found: dict[str, msgspec.Raw]) -> int:
    """How many keys the values of an object have."""
    return sum(_count_keys(bytes(value)) for value in found.values())


def _check_parameters(found: dict[str, msgspec.Raw]) -> None:
    if "parameters" in found:
        text = bytes(found["parameters"])
        _checked(_OBJECT.decode(text), _count_keys(text))
