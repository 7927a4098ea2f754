"""From settings to servers that run, the samples to send, and what is expected of them."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from eengines.errors import UserError
from eengines.tensors import Array
from eerun.bench.server.eerun_server import EerunServer
from eerun.bench.server.expected import Expected, expect
from eerun.bench.server.http_json import address_of
from eerun.bench.server.queries import Queries, make_queries
from eerun.bench.server.served_model import EXIT_INDEX, LABEL, served_model
from eerun.bench.server.settings import LoadSettings
from eerun.bench.server.target import Target
from eerun.bench.split_to_bench import load_test_split
from eerun.bundle import Bundle, find_bundle, open_bundle
from eerun.data import load_data, make_splits
from eerun.model import load

__all__ = ["CHAIN", "SERVER", "WHOLE", "Opened", "open_targets", "start_servers"]

CHAIN, WHOLE, SERVER = "chain", "whole", "server"
ONLY_REST = ("--no-grpc", "--reload-s", "0")
EXITS_OFF = "--whole"

OWN: Mapping[str, Sequence[str]] = {CHAIN: (), WHOLE: (EXITS_OFF,)}
"""Servers of one bundle and what `eerun serve` is told besides: the chain, and the whole network without exits in the
same server and scheduler."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """What a load test drives.

    Attributes:
        targets: servers by name.
        queries: what is sent to all of them.
        warnings: why accuracy or traffic may not be what they seem.
    """

    targets: dict[str, Target]
    queries: Queries
    warnings: tuple[str, ...]


def open_targets(settings: LoadSettings, stack: ExitStack) -> Opened:
    """Start the servers of a bundle, or look at the one of `--url`.

    Args:
        settings: what the user chose.
        stack: stops what was started.

    Raises:
        UserError: settings or data cannot be used.
        BundleError: the bundle is damaged.
        EngineError: a server does not start, or does not answer.
    """
    return start_servers(settings, stack, OWN) if settings.url is None else _running(settings, settings.url)


def start_servers(settings: LoadSettings, stack: ExitStack, servers: Mapping[str, Sequence[str]]) -> Opened:
    """Start `eerun serve` with the same bundle once for each name.

    Args:
        settings: what the user chose.
        stack: stops what was started.
        servers: further flags by name.

    Raises:
        EEError: see `open_targets`.
    """
    bundle = open_bundle(settings.bundle or find_bundle(Path.cwd()))
    split = load_test_split(bundle, settings.data)
    inputs = split.samples.inputs
    queries = make_queries(inputs, batch=settings.batch, outputs=(LABEL, EXIT_INDEX), seed=settings.seed)
    targets = {}
    for name, extra in servers.items():
        whole = EXITS_OFF in extra
        flags = _flags(settings, whole=whole)
        expected = _expected(bundle, settings, inputs, queries, whole=whole) if settings.check else None
        server = stack.enter_context(EerunServer(bundle.path, [*flags, *extra, *ONLY_REST, *settings.serve_flags]))
        model = served_model(server.address, None)
        targets[name] = Target(server.line, server.address, model.name, process=server, expected=expected)
    return Opened(targets=targets, queries=queries, warnings=split.warnings)


def _flags(settings: LoadSettings, *, whole: bool) -> list[str]:
    """What both servers are told. The whole network runs in the engine where it is the fastest, as in `eerun bench`."""
    flags = [] if whole else ["--engine", settings.engine, "--precision", settings.precision]
    return flags if settings.threads is None else [*flags, "--threads", str(settings.threads)]


def _running(settings: LoadSettings, url: str) -> Opened:
    """A server that somebody else has started."""
    address = address_of(url)
    model = served_model(address, settings.served)
    bundle = None if settings.bundle is None else open_bundle(settings.bundle)
    inputs, warnings = _samples(settings, bundle, model.inputs)
    queries = make_queries(inputs, batch=settings.batch, outputs=model.wanted, seed=settings.seed)
    expected = None
    if settings.check and bundle is not None:
        expected = _expected(bundle, settings, inputs, queries, whole=False)
    words = f"{model.name} ({model.platform or 'unknown platform'}) on http://{address.host}:{address.port}"
    target = Target(words, address, model.name, process=None, expected=expected)
    return Opened(targets={SERVER: target}, queries=queries, warnings=warnings)


def _samples(
    settings: LoadSettings, bundle: Bundle | None, names: tuple[str, ...]
) -> tuple[Mapping[str, Array], tuple[str, ...]]:
    """Samples for a server that runs, and what to know about them."""
    if bundle is not None:
        split = load_test_split(bundle, settings.data)
        return split.samples.inputs, split.warnings
    if settings.data is None:
        problem = "no data: neither --data nor --bundle is given; where samples leave depends on them"
        raise UserError("--url", problem, "Give --data")
    data = load_data(settings.data, input_names=names)
    return make_splits(data, seed=0)["test"].inputs, ()


def _expected(
    bundle: Bundle, settings: LoadSettings, inputs: Mapping[str, Array], queries: Queries, *, whole: bool
) -> Expected:
    """Ask `Model.infer` before any server runs."""
    engine, precision = ("auto", "auto") if whole else (settings.engine, settings.precision)
    with load(bundle.path, engine=engine, precision=precision, threads=settings.threads, whole=whole) as model:
        return expect(model, inputs, queries.samples)
