"""What a user writes after `--heads`: kinds with options, such as `fc,pool(size=2048,hidden=256),conv(3,1)`."""

import re

from eecompile.heads.base import HeadKind
from eecompile.heads.table import KINDS
from eengines.errors import UserError

__all__ = ["parse_heads"]

FLAG = "--heads"
EXAMPLE = "Write for example fc,pool(size=2048,hidden=256),conv(3,1)"

_HEAD = re.compile(r"\s*([A-Za-z0-9_-]+)\s*(?:\(([^()]*)\))?\s*")


def parse_heads(text: str) -> tuple[HeadKind, ...]:
    """Return the kinds in the order in which they are written; options without a name are in the order of the fields.

    Raises:
        UserError: the text cannot be read, names an unknown kind or option, has a value that does not fit, or the same
            head twice.
    """
    heads: list[HeadKind] = []
    position = 0
    while True:
        found = _HEAD.match(text, position)
        end = len(text) if found is None else found.end()
        if found is None or text[end : end + 1] not in {"", ","}:
            problem = f"cannot read {text[position:]!r}, expected a kind of head, with options in brackets if any"
            raise UserError(FLAG, problem, EXAMPLE)
        head = _head(found[1], found[2])
        if head in heads:
            raise UserError(FLAG, f"names {found[0].strip()} twice, expected different heads", "Name it once")
        heads.append(head)
        if end == len(text):
            return tuple(heads)
        position = end + 1


def _head(name: str, options: str | None) -> HeadKind:
    """One head from its name and what is in its brackets."""
    if name not in KINDS:
        raise UserError(FLAG, f"got {name!r}, expected one of {', '.join(KINDS)}", "Choose from these kinds")
    kind = KINDS[name]
    given: dict[str, int] = {}
    for index, part in enumerate(options.split(",") if options and options.strip() else []):
        option, value = _option(kind, index, part)
        if option in given:
            raise UserError(FLAG, f"gives {option} of {name} twice, expected it once", "Leave one of them out")
        given[option] = value
    try:
        return kind(**given)
    except UserError as error:
        raise UserError(FLAG, f"{error.where}: {error.problem}", error.remedy) from error


def _option(kind: type[HeadKind], index: int, part: str) -> tuple[str, int]:
    """Name and value of one option; without a name, that of the field at this place."""
    known = kind.option_names()
    option, named, number = (piece.strip() for piece in part.rpartition("="))
    if not named and index < len(known):
        option = known[index]
    if option not in known:
        expected = f"at most {', '.join(known)}" if known else "no options"
        raise UserError(FLAG, f"got {part.strip()!r} for {kind.name}, expected {expected}", EXAMPLE)
    if re.fullmatch(r"-?[0-9]+", number) is None:
        raise UserError(FLAG, f"got {part.strip()!r} for {kind.name}, expected a whole number", EXAMPLE)
    return option, int(number)
