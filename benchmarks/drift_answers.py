"""What contestants answer to a stream, how long they take, and what a refresh costs and brings."""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter, process_time, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eerun.bench.turns import SETTLE_S

__all__ = ["BATCH", "NEVER", "REFRESHED", "WHOLE", "Answer", "answer_half", "means", "summary", "won_back"]

BATCH, WINDOW_BATCHES = 32, 5
NEVER, REFRESHED, WHOLE = "never refreshed", "refreshed", "whole network"

Answer = Callable[[NDArray[Any]], NDArray[np.int64]]
"""Answers a batch of raw images with classes."""


def answer_half(
    contestants: Mapping[str, Answer],
    images: NDArray[Any],
    labels: NDArray[np.int64],
    batches: Sequence[Any],
    seed: int,
) -> list[dict[str, Any]]:
    """All contestants answer every window of batches, in turns; one row for each window.

    Threads of another engine have gone to sleep before, and one call does not count: see `eerun.bench.turns`.
    """
    generator = np.random.default_rng(seed)
    rows = []
    for start in range(0, len(batches), WINDOW_BATCHES):
        window = batches[start : start + WINDOW_BATCHES]
        seconds = {name: [0.0, 0.0] for name in contestants}
        answers: dict[str, list[NDArray[np.int64]]] = {name: [] for name in contestants}
        for name in generator.permutation(list(contestants)):
            sleep(SETTLE_S)
            contestants[name](images[batches[start - 1]])
            for picked in window:
                given = images[picked]
                cpu, wall = process_time(), perf_counter()
                found = contestants[name](given)
                spent = perf_counter() - wall, process_time() - cpu
                seconds[name] = [total + more for total, more in zip(seconds[name], spent, strict=True)]
                answers[name].append(found)
        truth, said = labels[np.concatenate(window)], {name: np.concatenate(found) for name, found in answers.items()}
        rows.append(
            {
                "requests": len(truth),
                "ways": {
                    name: {
                        "batch_ms": 1000 * seconds[name][0] / len(window),
                        "cpu_ms": 1000 * seconds[name][1] / len(window),
                        "agreement": float((found == said[WHOLE]).mean()),
                        "accuracy": float((found == truth).mean()),
                    }
                    for name, found in said.items()
                },
            }
        )
    return rows


def means(windows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Means over all requests, by contestant."""
    weights = [window["requests"] for window in windows]
    first = windows[0]["ways"]
    return {
        name: {
            key: float(np.average([window["ways"][name][key] for window in windows], weights=weights))
            for key in first[name]
        }
        for name in first
    }


def summary(halves: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each refresh cost and brought."""
    rows = []
    for half in halves:
        cost = half["refresh"]
        if cost is None:
            continue
        ms = {name: way["batch_ms"] / BATCH for name, way in half["mean"].items()}
        asked = sum(window["requests"] for window in half["windows"])
        serving = {key: asked * half["mean"][REFRESHED][key] / BATCH / 1000 for key in ("batch_ms", "cpu_ms")}
        rows.append(
            {
                "phase": half["phase"],
                "speedup_over_whole": ms[WHOLE] / ms[REFRESHED],
                "speedup_over_never": ms[NEVER] / ms[REFRESHED],
                "refresh_seconds": cost["seconds"],
                "refresh_cpu_seconds": cost["cpu_seconds"],
                "share_of_time": cost["seconds"] / (cost["seconds"] + serving["batch_ms"]),
                "share_of_cpu": cost["cpu_seconds"] / (cost["cpu_seconds"] + serving["cpu_ms"]),
                "requests_asked": asked,
                "requests_to_win_back_over_never": won_back(cost["seconds"], ms[NEVER] - ms[REFRESHED]),
                "requests_to_win_back_over_whole": won_back(cost["seconds"], ms[WHOLE] - ms[REFRESHED]),
            }
        )
    return rows


def won_back(seconds: float, saved_ms: float) -> int | None:
    """After how many requests a refresh has saved what it took; None: it saves nothing."""
    return int(np.ceil(1000 * seconds / saved_ms)) if saved_ms > 0 else None
