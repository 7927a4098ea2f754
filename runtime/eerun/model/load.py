"""`eerun.load`: choose a configuration of a bundle, check what the caller asks for, and open it."""

import logging
import os
from pathlib import Path

from eengines.device import Device
from eengines.errors import UserError
from eengines.threads import threads_or_default
from eerun.bundle import Bundle, PolicyFile, open_bundle
from eerun.choose_configuration import AUTO, choose_configuration
from eerun.circumstances import void_here
from eerun.configuration import Configuration
from eerun.device_configuration import OnDevice
from eerun.device_settings import DeviceSettings
from eerun.folding import Grouping
from eerun.model.child_process import check_process, opens_engines
from eerun.model.model import Model
from eerun.model.whole import WHOLE_EXITS, choose_whole, open_whole
from eerun.open_grouped import open_grouped, parse_grouping, weakness_of
from eerun.scheduler import SchedulerSettings
from eerun.shadow import ShadowSettings, open_shadow

__all__ = ["load"]

_log = logging.getLogger("eerun")


def load(  # noqa: PLR0913 - the one call that services write: a keyword for each choice
    path: str | os.PathLike[str],
    *,
    engine: str = AUTO,
    precision: str = AUTO,
    threads: int | None = None,
    device: int | Device = 0,
    in_flight: int = 2,
    max_batch: int | None = None,
    scheduling: SchedulerSettings | None = None,
    whole: bool = False,
    device_exits: bool = False,
    trust_plans: bool = False,
    grouping: str = Grouping.ARRIVAL.value,
    shadow: float | None = None,
    shadow_seed: int = 0,
    shadow_limit: float | None = None,
    shadow_confidence: float | None = None,
) -> Model:
    """Open a bundle, check its files, and make it ready to answer.

    Args:
        path: the bundle's folder, such as `model.ee`.
        engine: name of a backend, or `auto` for the fastest that the build measured and that can be used here. Where
            that is not the one that the build chose, logger `eerun` says so.
        precision: `float32`, `float16`, `bfloat16`, `int8`, or `auto` for the one of the fastest engine.
        threads: how many threads the engines of this process share; None: as many as they have already, or one a core.
        device: number of the GPU, where the bundle runs on one; or a device of `eengines.devices`, such as `CpuDevice`.
        in_flight: on a device, how many batches run at once.
        max_batch: the most samples that run together; None: the most that the bundle was built for.
        scheduling: limits and delays of `submit` and `ainfer`.
        whole: run the network without exit heads, the fastest that was measured at the largest batch.
        device_exits: on a device, let it go from exit to exit without the host (experimental).
        trust_plans: take engine plans in the bundle that another user or machine built, which can run code; else they
            are built again here.
        grouping: which images of a call share a row of a folded network: `arrival`, neighbours as they are given, or
            `easy`, likely-easy ones together, so that groups leave together.
        shadow: probability with which a sample (or group) that leaves early also runs to the final exit, on the CPU
            only: where the two answers differ too often, logger `eerun` warns and the model falls back to slower
            thresholds, at last to no exits. None: nobody is watched. See docs/certificates.md.
        shadow_seed: of the choice of these samples.
        shadow_limit: how often the answers may differ; None: as the certificate says.
        shadow_confidence: 1 - the probability of a false alarm; None: that of the certificate.

    Raises:
        BundleError: the bundle is damaged or of an unknown version.
        EngineError: no engine that fits works here, `shadow` on a device, or the parent process loaded engines.
        UserError: an engine, precision, grouping or `max_batch` that is unknown or not the bundle's, fewer than one
            thread, a `shadow` or `calm_step` without what certifies it, or what needs exits with `whole`.
    """
    groups, bundle = parse_grouping(grouping), _opened(Path(path))
    settings = DeviceSettings(device=device, in_flight=in_flight, device_exits=device_exits, trust_plans=trust_plans)
    watched = _watched(shadow, shadow_seed, shadow_limit, shadow_confidence)
    scheduling = scheduling or SchedulerSettings()
    if whole:
        _check_whole(bundle, groups, watched, scheduling)
        way = choose_whole(bundle, engine=engine, precision=precision, device=settings, max_batch=max_batch)
        return _open_whole(way, threads, _checked_max(way, max_batch), scheduling)
    way = choose_configuration(bundle, engine=engine, precision=precision, device=settings)
    return _open(way, threads, watched, groups, _checked_max(way, max_batch), scheduling)


def _opened(path: Path) -> Bundle:
    """A bundle whose engines can run in this process."""
    bundle = open_bundle(path)
    check_process(str(bundle.path))
    return bundle


def _watched(share: float | None, seed: int, limit: float | None, confidence: float | None) -> ShadowSettings | None:
    """How samples are watched; None: they are not."""
    if share is not None:
        return ShadowSettings(share=share, seed=seed, limit=limit, confidence=confidence)
    if limit is not None or confidence is not None:
        raise UserError("shadow", "got a limit or a confidence, but no share of samples", "Give shadow, such as 0.01")
    return None


def _open(
    way: Configuration,
    threads: int | None,
    watched: ShadowSettings | None,
    grouping: Grouping,
    max_batch: int,
    scheduling: SchedulerSettings,
) -> Model:
    """Make a configuration ready to answer; say where the bundle's certificate does not hold."""
    if threads is not None:
        threads_or_default(threads)
    policy = way.policy()
    _check_calm_step(policy, scheduling, watched, where=str(way.bundle.path))
    shadow = None if watched is None else open_shadow(way, policy, watched)
    weak = weakness_of(way.bundle, grouping)
    if weak is not None:
        _log.warning("%s: %s", way.bundle.path, weak)
    void = void_here(way, policy, grouping)
    if void is not None:
        _log.warning("%s: running %s, the certificate does not hold here: %s", way.bundle.path, way.words, void)
    opens_engines()
    return Model(
        manifest=way.bundle.manifest,
        engine=way.engine,
        precision=way.entry.precision,
        executor=open_grouped(way, grouping, threads=threads),
        costs=way.costs(),
        thresholds=policy.thresholds,
        fallbacks=tuple(each.thresholds for each in policy.fallbacks),
        certificate=policy.certificate,
        void=void,
        shadow=shadow,
        grouping=grouping,
        max_batch=max_batch,
        in_flight=_in_flight(way),
        scheduling=scheduling,
        where=str(way.bundle.path),
    )


def _open_whole(way: Configuration, threads: int | None, max_batch: int, scheduling: SchedulerSettings) -> Model:
    """Make the network without exit heads ready to answer."""
    if threads is not None:
        threads_or_default(threads)
    opens_engines()
    return Model(
        manifest=way.bundle.manifest,
        engine=way.engine,
        precision=way.entry.precision,
        executor=open_whole(way, threads=threads),
        costs=way.costs().of_whole(),
        thresholds=(),
        exits=WHOLE_EXITS,
        max_batch=max_batch,
        scheduling=scheduling,
        where=str(way.bundle.path),
    )


def _in_flight(way: Configuration) -> int:
    """How many batches run at once."""
    return way.settings.in_flight if isinstance(way, OnDevice) else 1


def _checked_max(way: Configuration, max_batch: int | None) -> int:
    """The largest number of samples that run together."""
    fold = way.bundle.manifest.images_a_row
    most = fold * way.costs().max_batch
    if max_batch is None:
        return most
    if isinstance(max_batch, bool) or not isinstance(max_batch, int) or not 1 <= max_batch <= most:
        problem = (
            f"got {max_batch!r}, expected 1 to {most}, the largest batch that {way.bundle.path.name} was built for"
        )
        raise UserError("max_batch", problem, "Give a number in this range, or build with larger --buckets")
    if max_batch % fold:
        problem = f"got {max_batch}, expected a multiple of {fold}: so many images share a row of this network"
        raise UserError("max_batch", problem, f"Give {max(max_batch // fold, 1) * fold}")
    return max_batch


def _check_whole(
    bundle: Bundle, grouping: Grouping, watched: ShadowSettings | None, scheduling: SchedulerSettings
) -> None:
    """Refuse what needs exits."""
    given = {
        "grouping": grouping is not Grouping.ARRIVAL,
        "shadow": watched is not None,
        "calm_step": scheduling.calm_step > 0,
    }
    names = [name for name, found in given.items() if found]
    if names:
        problem = f"got whole=True, which has no exits, with {', '.join(names)}"
        raise UserError(str(bundle.path), problem, "Leave out one of them")


def _check_calm_step(
    policy: PolicyFile, scheduling: SchedulerSettings, watched: ShadowSettings | None, *, where: str
) -> None:
    """Refuse a step that does not exist, and two who change thresholds."""
    step, most = scheduling.calm_step, len(policy.fallbacks)
    if not step:
        return
    if policy.certificate is None:
        problem = f"got calm_step {step}, but the thresholds have no certificate"
        raise UserError(where, problem, "Certify them with `eecompile tune --certify`, or leave calm_step out")
    if step > most:
        problem = f"got calm_step {step}, the bundle has {most} certified fallbacks"
        raise UserError(where, problem, f"Give at most {most}")
    if watched is not None:
        problem = f"got calm_step {step} together with shadow: both change the thresholds"
        raise UserError(where, problem, "Leave out one of them")
