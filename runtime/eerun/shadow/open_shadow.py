"""Watch a configuration of a bundle."""

from eengines.errors import EngineError
from eerun.bundle import PolicyFile
from eerun.configuration import Configuration, HostConfiguration
from eerun.shadow.ladder import make_ladder
from eerun.shadow.settings import ShadowSettings
from eerun.shadow.shadow import Shadow

__all__ = ["open_shadow"]


def open_shadow(way: Configuration, policy: PolicyFile, settings: ShadowSettings) -> Shadow:
    """Return what watches a configuration.

    Args:
        way: the configuration.
        policy: its thresholds.
        settings: what the user chose.

    Raises:
        EngineError: it runs on a device.
        UserError: there is neither a certificate nor a limit and a confidence.
    """
    where = str(way.bundle.path)
    if not isinstance(way, HostConfiguration):
        problem = f"{way.words} runs on a device, where samples that have left cannot go on to the final exit"
        raise EngineError(where, problem, "Leave shadow out, or run on the CPU with --engine onnxruntime or openvino")
    ladder = make_ladder(policy, settings, where=where)
    manifest = way.bundle.manifest
    return Shadow(ladder, settings, exits=manifest.exits, where=where, fold=manifest.images_a_row)
