"""Which card a plan is for, and whether this library builds for it.

Full TensorRT builds on the card that the plan is for. TensorRT for RTX builds for a list of cards, without them.
"""

from eengines.errors import EngineError
from eengines.nvinfer.differences import is_rtx, known_cards, version
from eengines.nvinfer.library_api import TensorRt
from eengines.targets import TARGETS, Target

__all__ = ["Card", "card_precisions", "choose_card", "sm"]

Card = tuple[int, int]
"""CUDA's compute capability, (major, minor)."""

WITHOUT_INT8_ON_RTX = (7, 5)
"""There TensorRT for RTX rounds as the graph says, but computes in float: support matrix, compute capability 7.5."""


def sm(card: Card) -> str:
    """CUDA's name of the architecture, as `sm_75`."""
    return "sm_{}{}".format(*card)


def choose_card(trt: TensorRt, title: str, asked: Card | None, found: Card | None) -> Card:
    """Return the card to build for.

    Args:
        trt: the library.
        title: its name for people.
        asked: the card that the plan is for; None: the one that is here.
        found: the card that is here, if one is.

    Raises:
        EngineError: the library does not build for it, or not on this machine.
    """
    card = asked or found
    if card is None:
        raise EngineError(title, "there is no GPU here, and none was named to build for", _NAME_ONE[is_rtx(trt)])
    (_check_listed if is_rtx(trt) else _check_supported)(trt, title, card)
    if not is_rtx(trt) and card != found:
        here = f"here is {sm(found)}" if found else "here is no GPU"
        raise EngineError(
            title, f"it builds plans only on the card that they are for: {sm(card)}, {here}", f"Build on {_name(card)}"
        )
    return card


_NAME_ONE = {
    True: "Name a card with --target, or build on a machine with a GPU",
    False: "Build on a machine with a GPU",
}


def card_precisions(trt: TensorRt, card: Card) -> frozenset[str]:
    """What a card computes in with this library; what is known of its generation, if the card itself is not listed."""
    row = _row(card)
    found = frozenset(row.precisions) if row else frozenset({"float32"})
    return found - {"int8"} if is_rtx(trt) and card == WITHOUT_INT8_ON_RTX else found


def _check_listed(trt: TensorRt, title: str, card: Card) -> None:
    """TensorRT for RTX has a list."""
    cards = known_cards(trt)
    if card in cards:
        return
    row = _row(card)
    other = f"TensorRT {row.last_tensorrt}" if row and row.last_tensorrt else "TensorRT"
    raise EngineError(
        title,
        f"version {trt.__version__} does not build for {sm(card)}, it knows {', '.join(map(sm, sorted(cards)))}",
        f"Use --engine tensorrt for that card, with {other}",
    )


def _check_supported(trt: TensorRt, title: str, card: Card) -> None:
    """Full TensorRT drops old cards."""
    row = _row(card)
    if row is None or row.last_tensorrt is None:
        return
    last = tuple(int(part) for part in row.last_tensorrt.split("."))
    if version(trt)[: len(last)] > last:
        raise EngineError(
            title,
            f"version {trt.__version__} does not support {sm(card)}, the last that does is {row.last_tensorrt}",
            f"pip install 'tensorrt=={row.last_tensorrt}'",
        )


def _row(card: Card) -> Target | None:
    """The listed GPU of the same generation (major number) that is the nearest below."""
    rows = [(row.compute_capability, row) for row in TARGETS.values() if row.compute_capability]
    older = [(listed, row.name) for listed, row in rows if listed[0] == card[0] and listed <= card]
    return TARGETS[max(older)[1]] if older else None


def _name(card: Card) -> str:
    """Such as `a machine with NVIDIA T4 (Turing)`."""
    names = [row.words.split(":")[0] for row in TARGETS.values() if row.compute_capability == card]
    return f"a machine with {' or '.join(names)}" if names else "a machine with such a card"
