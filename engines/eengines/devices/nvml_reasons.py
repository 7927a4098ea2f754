"""What holds the clocks of a card back, in words: NVML's clock event reasons."""

__all__ = ["IDLE", "reasons_in_words"]

IDLE = 0x1
"""Nothing runs, so clocks are low: no slow-down."""

REASONS = {
    0x2: "clocks set by the user",
    0x4: "power cap",
    0x8: "hardware slow-down",
    0x10: "clocks synchronised with other cards",
    0x20: "too hot (driver)",
    0x40: "too hot (hardware)",
    0x80: "power brake",
    0x100: "clocks set for a display",
    0x200: "limit of the board",
    0x400: "limit for reliability",
}
"""`nvmlClocksEventReason*`, up to release 530 of the driver `nvmlClocksThrottleReason*`, of the same values."""


def reasons_in_words(bits: int) -> tuple[str, ...]:
    """Return the reasons of a mask, the idle one left out; bits without a name as numbers."""
    known = [words for bit, words in REASONS.items() if bits & bit]
    unknown = bits & ~IDLE & ~sum(REASONS)
    return (*known, f"reason {unknown:#x}") if unknown else tuple(known)
