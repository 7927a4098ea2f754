"""What `eerun top` shows."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from eerun.serve.status.between import Between

__all__ = ["top_table"]

BAR = 24


def top_table(status: Mapping[str, Any], before: Mapping[str, Any] | None, *, url: str) -> "RenderableType":
    """The server in a line, and for each model its rates, exits and segments.

    Args:
        status: what the server says now.
        before: what it said before; None: rates are those since each model was loaded.
        url: its address.
    """
    from rich.console import Group
    from rich.text import Text

    from eerun.serve.status.between import between

    earlier = {} if before is None else {model["name"]: model for model in before["models"]}
    state = "draining" if status["draining"] else "ready" if status["ready"] else "not ready"
    memory = status["process"]["memory_bytes"] / 2**20
    head = f"{url}: {state}, up {status['uptime_s']:.0f} s, {memory:.0f} MiB, {status['process']['cpu_s']:.0f} s of CPU"
    shown: list[RenderableType] = [Text(head, style="bold" if state == "ready" else "bold red")]
    for model in status["models"]:
        rates = between(earlier.get(model["name"]), model)
        shown += [Text(), *_about(model), _rates(model, rates), _exits(model), _segments(model, rates)]
    return Group(*shown)


def _plain(words: str, style: str = "") -> "Text":
    """Words from outside: nothing in them is a command to the terminal, or markup."""
    from rich.text import Text

    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words)
    return Text(shown, style=style)


def _about(model: Mapping[str, Any]) -> "list[RenderableType]":
    """Name and engine; then what an operator should know."""
    line = _plain(model["name"], "bold cyan")
    line.append(f"  version {model['version']}, {model['engine']} {model['precision']}", style="default")
    warnings = []
    if not model["healthy"]:
        warnings.append("the engine fails: its last runs gave errors")
    if model["last_reload_error"]:
        warnings.append(f"the bundle on disk was not loaded: {model['last_reload_error']}")
    if model["void"]:
        warnings.append(f"the certificate does not hold here: {model['void']}")
    if model["shadow"] and model["shadow"]["alarms"]:
        warnings.append(f"shadow: {model['shadow']['alarms']} alarms, step {model['shadow']['step']}")
    if model["overload_step"]:
        warnings.append(f"thresholds of step {model['overload_step']}")
    return [line, *(_plain(f"! {warning}", "yellow") for warning in warnings)]


def _rates(model: Mapping[str, Any], rates: "Between") -> "Table":
    """Requests, latency, what waits, what failed."""
    failures = {**model["refused"], **model["failures"]}
    words = ", ".join(f"{name} {count}" for name, count in failures.items()) or "0"
    table = _table(f"over {rates.seconds:.1f} s", "requests/s", "samples/s", "p50", "p90", "p99", "waiting", "inside")
    table.add_column("failed", justify="right", overflow="fold")
    table.add_row(
        "",
        f"{rates.requests_per_s:.1f}",
        f"{rates.samples_per_s:.1f}",
        *(_ms(value) for value in (rates.p50_ms, rates.p90_ms, rates.p99_ms)),
        str(model["queued_samples"]),
        str(model["inside_rows"]),
        _plain(words),
    )
    return table


def _exits(model: Mapping[str, Any]) -> "Table":
    """Where samples left since the model was loaded."""
    table = _table("exit", "samples", "share", "threshold")
    table.add_column("", justify="left")
    for number, row in enumerate(model["exits"]):
        last = number == len(model["exits"]) - 1
        threshold = "all" if last else "never" if row["threshold"] is None else f"{row['threshold']:.4g}"
        bar = "█" * round(BAR * row["share"])
        table.add_row(_plain(row["name"]), str(row["samples"]), f"{row['share']:.1%}", threshold, bar)
    return table


def _segments(model: Mapping[str, Any], rates: "Between") -> "Table":
    """Runs since the load; means of the time of the rates."""
    table = _table("segment", "runs", "mean batch", "alive", "ms a run", "boundary us")
    columns = zip(model["segments"], rates.mean_batch, rates.alive, rates.mean_ms, rates.boundary_us, strict=True)
    for number, (row, batch, alive, ms, boundary) in enumerate(columns):
        table.add_row(str(number), str(row["runs"]), f"{batch:.1f}", f"{alive:.0%}", f"{ms:.2f}", f"{boundary:.0f}")
    return table


def _table(first: str, *columns: str) -> "Table":
    """Numbers to the right."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first, justify="left", min_width=12, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
