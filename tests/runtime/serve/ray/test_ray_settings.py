"""What can be said of a deployment, in Python and as text, and what is refused."""

from pathlib import Path

import pytest
from required import require_module

from eengines.errors import UserError
from eerun.serve.ray import RaySettings, app
from eerun.serve.ray.settings import parse_ray, parse_serving


def test_text_becomes_numbers_as_serve_run_gives_it():
    settings = parse_ray({"bundle": "a/model.ee", "num_replicas": "2", "attempts": "5"})
    assert settings == RaySettings(bundle="a/model.ee", num_replicas=2, attempts=5)
    assert settings.model_name == "model"
    assert parse_ray({"bundle": "m.ee", "num_replicas": "auto"}).num_replicas == "auto"
    serving = parse_serving(settings, {"max_queue": "7", "max_batch": "4", "grouping": "easy", "shadow": "0.5"})
    assert (serving.scheduling.max_queue, serving.max_batch, serving.grouping.value) == (7, 4, "easy")
    assert serving.shadow == 0.5
    assert serving.bundles == (("model", Path("a/model.ee").absolute()),)


@pytest.mark.parametrize(
    ("options", "given", "threads"),
    [(None, {}, 1), ({"num_cpus": 4}, {}, 4), ({"num_cpus": 0.5}, {}, 1), ({"num_cpus": 4}, {"threads": 2}, 2)],
)
def test_an_engine_has_the_threads_that_ray_gives_its_replica(options, given, threads):
    settings = RaySettings(bundle="m.ee", ray_actor_options=options)
    assert parse_serving(settings, given).threads == threads


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, "bundle"),
        ({"bundle": "m.ee", "num_replicas": "0"}, "num_replicas"),
        ({"bundle": "m.ee", "num_replicas": "many"}, "num_replicas"),
        ({"bundle": "m.ee", "attempts": "0"}, "attempts"),
        ({"bundle": "m.ee", "name": "a#b"}, "name"),
        ({"bundle": "m.ee", "name": ""}, "name"),
        ({"bundle": "m.ee", "num_replicas": 3, "autoscaling": {"max_replicas": 4}}, "num_replicas"),
    ],
)
def test_what_cannot_be_is_refused(given, where):
    with pytest.raises(UserError) as caught:
        parse_ray(given)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"engin": "openvino"}, "got 'engin', known are"),
        ({"port": 8000}, "got 'port', known are"),
        ({"max_queue": "none"}, "max_queue: got 'none'"),
        ({"max_queue": 0}, "expected at least 1"),
    ],
)
def test_options_that_cannot_be_are_refused(given, words):
    with pytest.raises(UserError, match=words):
        parse_serving(RaySettings(bundle="m.ee"), given)


@pytest.mark.filterwarnings("ignore:Using extra keyword arguments on `Field`")  # Ray's own
@pytest.mark.parametrize(
    ("given", "replicas", "target", "ongoing", "waiting"),
    [
        ({"num_replicas": "3"}, 3, None, 16, 1024),
        ({"num_replicas": "auto"}, None, 8, 16, 1024),
        ({"autoscaling": {"max_replicas": 4}, "max_batch": "4", "max_queue": "9"}, None, 4, 8, 9),
        ({"autoscaling": {"target_ongoing_requests": 3}, "max_ongoing_requests": "5"}, None, 3, 5, 1024),
    ],
)
def test_what_ray_is_told(tiny_bundle, given, replicas, target, ongoing, waiting):
    require_module("ray.serve", "ray is not installed: pip install 'eecompile[ray]'")
    ingress = app({"bundle": str(tiny_bundle.path), "name": "net", **given})._bound_deployment
    model = ingress.init_args[0]._bound_deployment
    assert (ingress.name, model.name) == ("net-ingress", "net")
    assert (model.max_ongoing_requests, model.max_queued_requests) == (ongoing, waiting)
    autoscaling = model._deployment_config.autoscaling_config
    assert (None if autoscaling is None else autoscaling.target_ongoing_requests) == target
    if replicas is not None:
        assert model.num_replicas == replicas
