"""Values of clients in messages: short, whatever they are."""

from eerun.serve.oip.requests import Parameter

__all__ = ["shown"]

LONGEST, LARGEST = 64, 10**18


def shown(value: Parameter) -> str:
    """Return a value as text; digits of huge numbers are not worked out, which could take long or fail."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a huge number"
    text = repr(value[:LONGEST] if isinstance(value, str) else value)
    return text if len(text) <= 2 * LONGEST else f"{text[: 2 * LONGEST]}..."  # unprintable characters take up to ten
