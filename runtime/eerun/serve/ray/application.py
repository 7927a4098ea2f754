"""A Ray Serve application: replicas that have the model, behind an ingress that takes HTTP requests and calls."""

from collections.abc import Mapping
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eengines.errors import UserError
from eerun.bundle import open_bundle
from eerun.serve.ray.settings import RaySettings, parse_ray, parse_serving
from eerun.serve.settings import ServeSettings

if TYPE_CHECKING:
    from ray.serve import Application

__all__ = ["app", "deployment"]

NEEDED = ("ray", "starlette")
NO_LIMIT = 2**20
"""Calls that an ingress has at once: it only hands them on, and refuses what the replicas have no room for."""


def deployment(  # noqa: PLR0913 - a keyword for each choice, as Ray's own
    bundle: str | Path,
    *,
    name: str | None = None,
    num_replicas: int | Literal["auto"] = 1,
    max_ongoing_requests: int | None = None,
    autoscaling: Mapping[str, Any] | None = None,
    ray_actor_options: Mapping[str, Any] | None = None,
    ingress_replicas: int = 1,
    attempts: int = 3,
    **options: Any,
) -> "Application":
    """Return an application for `serve.run`, which speaks the Open Inference Protocol v2 as `eerun serve` does.

    `handle.infer.remote(x)` on the handle that `serve.run` returns gives a `Result`, as `Model.ainfer`. Calls of all
    callers of a replica share batches through its scheduler. A replica that fails its health check or dies is replaced
    by Ray; calls that it had are answered by another, because to run a sample twice does no harm.

    Args:
        bundle: see `RaySettings`, as everything down to `attempts`.
        name: as `bundle`.
        num_replicas: as `bundle`.
        max_ongoing_requests: as `bundle`.
        autoscaling: as `bundle`.
        ray_actor_options: as `bundle`.
        ingress_replicas: as `bundle`.
        attempts: as `bundle`.
        options: of `eerun.load` (`engine`, `precision`, `max_batch`, ...), of `SchedulerSettings`, `whole` and
            `max_request_bytes`.

    Raises:
        BundleError: the bundle is not there, or damaged.
        UserError: an option that nobody knows or that does not fit, or Ray is not installed.
    """
    settings = RaySettings(
        bundle=str(bundle),
        name=name,
        num_replicas=num_replicas,
        max_ongoing_requests=max_ongoing_requests,
        autoscaling=None if autoscaling is None else dict(autoscaling),
        ray_actor_options=None if ray_actor_options is None else dict(ray_actor_options),
        ingress_replicas=ingress_replicas,
        attempts=attempts,
    )
    return _application(settings, parse_serving(settings, options))


def app(args: Mapping[str, Any]) -> "Application":
    """Build the application from the arguments of `serve run eerun.serve.ray:app bundle=model.ee` or of a file.

    Args:
        args: arguments of `deployment` by name; numbers may be text.

    Raises:
        BundleError: see `deployment`.
        UserError: see `deployment`.
    """
    own = {field.name for field in fields(RaySettings)}
    settings = parse_ray({name: value for name, value in args.items() if name in own})
    return _application(settings, parse_serving(settings, {n: value for n, value in args.items() if n not in own}))


def _application(settings: RaySettings, serving: ServeSettings) -> "Application":
    """Bind ingress and replicas."""
    missing = [module for module in NEEDED if find_spec(module) is None]
    if missing:
        raise UserError("eerun.serve.ray", f"not installed: {', '.join(missing)}", "Run pip install 'eecompile[ray]'")
    from ray import serve

    from eerun.serve.ray.ingress import Ingress
    from eerun.serve.ray.replica import Replica

    largest = serving.max_batch or _largest_batch(Path(settings.bundle))
    autoscaling = settings.autoscaling
    if autoscaling is not None or settings.num_replicas == "auto":
        autoscaling = {"target_ongoing_requests": largest, **(autoscaling or {})}
    replicas = serve.deployment(
        name=settings.model_name,
        num_replicas=settings.num_replicas if autoscaling is None or settings.num_replicas == "auto" else None,
        autoscaling_config=autoscaling,
        max_ongoing_requests=settings.max_ongoing_requests or 2 * largest,
        max_queued_requests=serving.scheduling.max_queue,
        ray_actor_options=settings.ray_actor_options or {},
    )(Replica)
    ingress = serve.deployment(
        name=f"{settings.model_name}-ingress",
        num_replicas=settings.ingress_replicas,
        max_ongoing_requests=NO_LIMIT,
        ray_actor_options={"num_cpus": 0},
    )(Ingress)
    bound = replicas.bind(serving)
    return ingress.bind(bound, attempts=settings.attempts, settings=serving)


def _largest_batch(path: Path) -> int:
    """The most samples that share a batch, in whichever configuration."""
    bundle = open_bundle(path)
    costs = [bundle.costs(entry).max_batch for entry in bundle.manifest.configurations]
    return max(costs) * bundle.manifest.images_a_row
