"""Words and the numbers that stand for them."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

PAD, UNKNOWN, BEGIN = 0, 1, 2
"""[PAD] behind a text, [UNK] for a word that is not known, [CLS] in front of every text."""
RESERVED = 3

Tokens = NDArray[np.int64]


def words_of(text: str) -> list[str]:
    """Return the words of a text in small letters; each mark is a word of its own."""
    return re.findall(r"[a-z]+|[0-9]+|[^\sa-z0-9]", text.lower())


def build_vocabulary(texts: Iterable[str], *, most: int) -> dict[str, int]:
    """Number the words that are there twice or more, the most frequent first; at most `most` numbers."""
    counts = Counter(word for text in texts for word in words_of(text))
    frequent = sorted((-count, word) for word, count in counts.items() if count > 1)
    return {word: RESERVED + index for index, (_, word) in enumerate(frequent[: most - RESERVED])}


def encode(texts: Sequence[str], vocabulary: dict[str, int], *, length: int) -> dict[str, Tokens]:
    """Return `input_ids` and `attention_mask`, `[texts, length] int64`; longer texts are cut."""
    ids = np.full((len(texts), length), PAD, np.int64)
    for row, text in zip(ids, texts, strict=True):
        known = [BEGIN, *(vocabulary.get(word, UNKNOWN) for word in words_of(text))][:length]
        row[: len(known)] = known
    return {"input_ids": ids, "attention_mask": (ids != PAD).astype(np.int64)}
