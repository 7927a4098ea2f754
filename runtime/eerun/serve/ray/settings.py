"""What an operator chooses of a deployment on Ray."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

import msgspec

from eengines.errors import UserError
from eerun.scheduler import SchedulerSettings
from eerun.serve.settings import ServeSettings

__all__ = ["RaySettings", "parse_ray", "parse_serving"]

OF_SERVING = (
    "engine",
    "precision",
    "threads",
    "in_flight",
    "device_exits",
    "trust_plans",
    "grouping",
    "max_batch",
    "whole",
    "shadow",
    "shadow_seed",
    "shadow_limit",
    "shadow_confidence",
    "max_request_bytes",
)
"""Settings of a server that a replica has, too. Addresses, connections and reloads are Ray's; its GPU is number 0."""

OF_SCHEDULING = tuple(field.name for field in fields(SchedulerSettings))
FORBIDDEN_IN_NAMES = re.compile(r"[/#\x00-\x1f\x7f]")
DEFAULT_CPUS = 1
"""What Ray Serve gives a replica that does not say."""


@dataclass(frozen=True, kw_only=True)
class RaySettings:
    """Settings of a deployment.

    Attributes:
        bundle: the bundle's folder, which must have this path on every machine of the cluster.
        name: of the model; None: that of the folder, without `.ee`.
        num_replicas: how many processes have the model, each with its own engine; `auto`: Ray decides by the load.
        max_ongoing_requests: calls that a replica has at once; None: twice as many as samples share a batch, so that
            calls of one sample fill the next batch while one runs.
        autoscaling: Ray's `autoscaling_config`; `target_ongoing_requests` is the largest batch unless it is given.
        ray_actor_options: what a replica needs, such as `{"num_cpus": 4}`. Its engine has so many threads.
        ingress_replicas: how many processes take HTTP requests and calls, and hand them to the replicas.
        attempts: how often a call is handed to a replica at most, if replicas die while they have it.
    """

    bundle: str
    name: str | None = None
    num_replicas: int | Literal["auto"] = 1
    max_ongoing_requests: int | None = None
    autoscaling: dict[str, Any] | None = None
    ray_actor_options: dict[str, Any] | None = None
    ingress_replicas: int = 1
    attempts: int = 3

    def __post_init__(self) -> None:
        for name in ("num_replicas", "max_ongoing_requests", "ingress_replicas", "attempts"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise UserError(name, f"got {value}, expected at least 1", "Give a larger number")
        if self.autoscaling is not None and self.num_replicas not in (1, "auto"):
            problem = f"got {self.num_replicas} and autoscaling, which decides it"
            raise UserError("num_replicas", problem, "Leave one of them out, or give min_replicas and max_replicas")
        if not self.model_name or FORBIDDEN_IN_NAMES.search(self.model_name):
            problem = f"{self.model_name!r} cannot be the name of a model"
            raise UserError("name", problem, "Give a name without '/' and '#'")

    @property
    def model_name(self) -> str:
        """Name of the model, and of its deployment."""
        return self.name if self.name is not None else Path(self.bundle).resolve().name.removesuffix(".ee")


def parse_ray(given: Mapping[str, Any]) -> RaySettings:
    """Return the settings of a deployment from a mapping, in which numbers may be text.

    Raises:
        UserError: one is missing or of another type.
    """
    if "bundle" not in given:
        raise UserError("bundle", "none is given", "Give the folder of a bundle, as bundle=model.ee")
    return RaySettings(**_converted(RaySettings, given))


def parse_serving(settings: RaySettings, given: Mapping[str, Any]) -> ServeSettings:
    """Return how a replica opens and serves its bundle.

    Args:
        settings: of the deployment.
        given: settings of `ServeSettings` and `SchedulerSettings` by name; numbers may be text.

    Raises:
        UserError: one that nobody knows, or of another type.
    """
    unknown = sorted(set(given) - {*OF_SERVING, *OF_SCHEDULING})
    if unknown:
        known = sorted({*(field.name for field in fields(RaySettings)), *OF_SERVING, *OF_SCHEDULING})
        raise UserError("deployment", f"got {unknown[0]!r}, known are {', '.join(known)}", "Choose one of these")
    scheduling = {name: value for name, value in given.items() if name in OF_SCHEDULING}
    serving = {name: value for name, value in given.items() if name in OF_SERVING}
    threads = max(1, int((settings.ray_actor_options or {}).get("num_cpus", DEFAULT_CPUS)))
    return ServeSettings(
        bundles=((settings.model_name, Path(settings.bundle).absolute()),),
        grpc_port=None,
        reload_s=0,
        scheduling=SchedulerSettings(**_converted(SchedulerSettings, scheduling)),
        **{"threads": threads, **_converted(ServeSettings, serving)},
    )


def _converted(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Values in the types that the fields of a class have; `None` in text is no value."""
    hints, found = get_type_hints(kind), dict[str, Any]()
    for name, value in given.items():
        try:
            found[name] = msgspec.convert(value, hints[name], strict=False)
        except msgspec.ValidationError as error:
            raise UserError(name, f"got {value!r}: {error}", "Give another value") from error
    return found
