"""The digest sees values, order, dtype, shape, names and labels, and nothing else."""

import hashlib

import numpy as np

from eerun.data import Samples, digest

X = np.arange(12, dtype=np.float32).reshape(3, 4)
Y = np.array([0, 1, 2])


def of(x: np.ndarray, y: np.ndarray | None = Y, name: str = "x") -> str:
    return digest(Samples(inputs={name: x}, labels=y))


def test_a_change_changes_the_digest():
    changed = X.copy()
    changed[2, 3] += 1
    digests = [
        of(X),
        of(changed),
        of(X[::-1]),
        of(X.reshape(3, 2, 2)),
        of(X.view(np.int32)),
        of(X, Y[::-1]),
        of(X, None),
        of(X, name="z"),
    ]
    assert len(set(digests)) == len(digests)


def test_memory_layout_and_byte_order_do_not_matter():
    assert of(np.asfortranarray(X)) == of(X)
    assert of(X.astype(">f4")) == of(X)


def test_the_order_of_inputs_does_not_matter():
    one = Samples(inputs={"a": X, "b": Y}, labels=None)
    two = Samples(inputs={"b": Y, "a": X}, labels=None)
    assert digest(one) == digest(two)


def test_what_is_hashed_is_fixed():
    samples = Samples(inputs={"x": np.array([[1, 2]], np.uint8)}, labels=np.array([1]))
    hashed = b"input x |u1 [1, 2]\n" + bytes([1, 2]) + b"labels <i8 [1]\n" + bytes([1, 0, 0, 0, 0, 0, 0, 0])
    assert digest(samples) == hashlib.sha256(hashed).hexdigest()
