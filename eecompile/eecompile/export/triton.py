"""A bundle as a model of Triton Inference Server: its configuration, and the program that runs it there."""

from dataclasses import dataclass
from pathlib import Path

import eerun
from eecompile.export.settings import ExportSettings, InstanceKind
from eecompile.export.triton_config import ModelFacts, config_text
from eengines.errors import UserError
from eerun.bundle import Bundle, ConfigurationEntry
from eerun.choose_configuration import AUTO

__all__ = ["TritonModel", "triton_model"]

PROGRAM = Path(__file__).with_name("triton_program.py")
"""The `model.py` of every exported model: it is copied as it is, and never imported here."""


@dataclass(frozen=True, kw_only=True)
class TritonModel:
    """What to write.

    Attributes:
        name: of the model.
        version: of the model.
        max_batch: the most samples of a request, and of requests that are joined.
        parameters: what the program hands to `eerun.load`: engine, precision, threads.
        config: `config.pbtxt`.
        program: `model.py`.
    """

    name: str
    version: int
    max_batch: int
    parameters: dict[str, str]
    config: str
    program: str


def triton_model(bundle: Bundle, settings: ExportSettings, *, name: str) -> TritonModel:
    """Make the files of a model from a bundle, which is loaded for that as the settings say.

    Raises:
        BundleError: the bundle is damaged.
        EngineError: no engine is here that can load it.
        UserError: the bundle has no such configuration, or inputs that Triton does not have.
    """
    entries = [entry for entry in bundle.manifest.configurations if _fits(entry, settings)]
    if not entries:
        raise _no_configuration(bundle, settings)
    largest = max(bundle.costs(entry).max_batch for entry in entries) * bundle.manifest.images_a_row
    if settings.max_batch is not None and settings.max_batch > largest:
        problem = f"got {settings.max_batch}, the bundle was built for batches up to {largest}"
        raise UserError("--max-batch", problem, "Give at most this, or build with larger --buckets")
    engine, precision, threads = settings.engine, settings.precision, settings.threads
    with eerun.load(bundle.path, engine=engine, precision=precision, threads=threads) as loaded:
        output_shape = loaded.output_shape
    parameters = _parameters(bundle, entries, settings)
    facts = ModelFacts(
        name=name,
        inputs=bundle.manifest.inputs,
        output_shape=output_shape,
        max_batch=settings.max_batch or largest,
        max_queue_delay_us=settings.max_queue_delay_us,
        kind=settings.instance_kind,
        parameters=parameters,
    )
    return TritonModel(
        name=name,
        version=settings.version,
        max_batch=facts.max_batch,
        parameters=parameters,
        config=config_text(facts),
        program=PROGRAM.read_text(encoding="utf-8"),
    )


def _fits(entry: ConfigurationEntry, settings: ExportSettings) -> bool:
    """Whether a configuration is one that the instances may run."""
    on_card = settings.instance_kind is InstanceKind.GPU
    if (entry.device is not None) != on_card:
        return False
    return settings.engine in (AUTO, entry.engine) and settings.precision in (AUTO, entry.precision)


def _parameters(bundle: Bundle, entries: list[ConfigurationEntry], settings: ExportSettings) -> dict[str, str]:
    """What the program hands to `eerun.load`.

    Where the bundle has configurations for cards and for the CPU, `auto` could take one of the other kind, so that the
    first of the right kind is named.
    """
    engine, precision = settings.engine, settings.precision
    if any(entry.device is not None for entry in bundle.manifest.configurations):
        engine, precision = entries[0].engine, entries[0].precision
    found = {"engine": engine, "precision": precision}
    return found if settings.threads is None else {**found, "threads": str(settings.threads)}


def _no_configuration(bundle: Bundle, settings: ExportSettings) -> UserError:
    """Why nothing fits."""
    kind = settings.instance_kind
    asked = f"--instance-kind {kind} --engine {settings.engine} --precision {settings.precision}"
    names = ", ".join(entry.name for entry in bundle.manifest.configurations)
    remedy = "Choose one of these"
    if kind is InstanceKind.GPU and all(entry.device is None for entry in bundle.manifest.configurations):
        remedy = f"Run `eecompile engines {bundle.path.name}` on the machine that has the card, or leave it on the CPU"
    return UserError(str(bundle.path), f"it has no configuration for {asked}, it has {names}", remedy)
