"""Several heads at each tap, made up for tests: dear ones answer better."""

import numpy as np
from calib.synthetic_traces import BUCKETS, synthetic_trace

from eecalib.composition import CandidateHeads
from eecalib.trace import ExitTrace
from eerun.costs import CostTable


def synthetic_heads(
    samples: int, *, of_tap: tuple[int, ...], seed: int, batch: int = 8, head_share: float = 0.03
) -> CandidateHeads:
    """Draw the heads of a network.

    Args:
        samples: how many are recorded.
        of_tap: how many heads there are at each tap.
        seed: of everything.
        batch: samples in a batch.
        head_share: what the cheapest head of a tap takes, as a share of a segment; the next takes twice that.
    """
    random = np.random.default_rng(seed)
    deep = synthetic_trace(samples, exits=len(of_tap) + 1, classes=4, seed=seed)
    logits, taps, head_ms, sizes = [], [], [], []
    segment = np.array([0.3 + 0.15 * bucket for bucket in BUCKETS])
    for tap, count in enumerate(of_tap):
        for number in range(count):
            noise = random.normal(0, 0.8 / (number + 1), deep.logits[:, tap].shape)
            logits.append(deep.logits[:, tap] + noise)
            taps.append(tap)
            head_ms.append(tuple((head_share * (number + 1) * segment).tolist()))
            sizes.append(1000 * (number + 1) * (tap + 1))
    trace = ExitTrace(logits=np.stack([*logits, deep.logits[:, -1]], axis=1).astype(np.float32), labels=deep.labels)
    return CandidateHeads(
        taps=tuple(taps),
        trace=trace,
        reference_right=(trace.logits[:, -1].argmax(axis=1) == trace.labels).astype(np.int64),
        trunk=CostTable(
            engine="made up",
            precision="float32",
            device="none",
            buckets=BUCKETS,
            segment_ms=(tuple(segment.tolist()),) * (len(of_tap) + 1),
            whole_ms=tuple(((len(of_tap) + 1) * segment * 0.97).tolist()),
            move_ms=(0.001,) * len(of_tap),
        ),
        head_ms=tuple(head_ms),
        head_bytes=tuple(sizes),
        batch=batch,
        seed=0,
    )
