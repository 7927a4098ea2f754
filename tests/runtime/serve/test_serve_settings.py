"""Settings of a server, their flags, and addresses that cannot be had."""

import dataclasses
import socket
from pathlib import Path

import pytest
import typer

from eengines.errors import UserError
from eerun.cli.main import app
from eerun.scheduler import SchedulerSettings
from eerun.serve.settings import ServeSettings, name_bundles
from eerun.serve.sockets import open_sockets, web_address

ONE = (("model", Path("model.ee")),)


def test_every_setting_has_a_flag_of_its_default_and_every_flag_help():
    parameters = {p.name: p for p in typer.main.get_command(app).commands["serve"].params}
    settings = ServeSettings(bundles=ONE)
    shown = {
        f"max_{what}_bytes": (f"max_{what}_mib", getattr(settings, f"max_{what}_bytes") / 2**20)
        for what in ("request", "held")
    }
    found = set()
    for part in (settings, SchedulerSettings()):
        for field in dataclasses.fields(part):
            if field.name in ("bundles", "scheduling"):
                continue
            name, expected = shown.get(field.name, (field.name, getattr(part, field.name)))
            found.add(name)
            default = parameters[name].default
            assert default == expected or (not default and not expected), name
    assert found == set(parameters) - {"bundles", "no_grpc", "help"}
    assert all(parameter.help for parameter in parameters.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bundles": ()}, "none is given"),
        ({"bundles": (*ONE, *ONE)}, "two bundles have the name 'model'"),
        ({"bundles": (("a/b", Path("x")),)}, "'a/b' cannot be the name"),
        ({"bundles": (("", Path("x")),)}, "'' cannot be the name"),
        ({"bundles": (("a\nb", Path("x")),)}, "cannot be the name"),
        ({"bundles": (("my model", Path("x")),)}, "'my model' cannot be the name"),
        ({"bundles": (("a%2Fb", Path("x")),)}, "'a%2Fb' cannot be the name"),
        ({"bundles": (("..", Path("x")),)}, "'..' cannot be the name"),
        ({"bundles": (("stats", Path("x")),)}, "'stats' is taken"),
        ({"port": -1}, "port: got -1"),
        ({"grpc_port": 65536}, "grpc_port: got 65536"),
        ({"metrics_port": 70000}, "metrics_port"),
        ({"max_request_bytes": 0}, "max_request_bytes"),
        ({"max_held_bytes": 2**20}, "max_held_bytes: got 1048576, expected at least max_request_bytes"),
        ({"max_connections": 0}, "max_connections"),
        ({"drain_s": -1.0}, "drain_s"),
        ({"drain_s": float("nan")}, "drain_s"),
        ({"reload_s": -0.1}, "reload_s"),
        ({"request_timeout_s": 0.0}, "request_timeout_s"),
        ({"keep_alive_s": 0.0}, "keep_alive_s"),
    ],
)
def test_settings_that_make_no_sense(change, message):
    with pytest.raises(UserError, match=message):
        ServeSettings(**{"bundles": ONE, **change})


def test_names_of_bundles(tmp_path):
    odd = tmp_path / "a=b.ee"
    odd.mkdir()
    given = ["model.ee", "faces=bundles/x.ee", "bundles/y", "bundles/z.ee/", "bundles/k=v.ee", str(odd)]
    assert [name for name, _ in name_bundles(given)] == ["model", "faces", "y", "z", "k=v", "a=b"]
    assert dict(name_bundles(given))["faces"] == Path("bundles/x.ee")


@pytest.mark.parametrize("flag", ["port", "metrics_port"])
def test_a_port_that_is_taken(flag):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"^{flag}: cannot listen at 127.0.0.1, port {port}"):
            open_sockets(ServeSettings(bundles=ONE, **{"port": 0, flag: port}))


def test_an_address_of_another_machine():
    with pytest.raises(UserError, match=r"cannot listen at 198\.51\.100\.1"):
        open_sockets(ServeSettings(bundles=ONE, port=0, host="198.51.100.1"))


def test_addresses_as_in_a_url():
    sockets = open_sockets(ServeSettings(bundles=ONE, port=0, host="::1", metrics_port=0))
    try:
        assert web_address(sockets.http) == f"[::1]:{sockets.http.getsockname()[1]}"
        assert sockets.metrics.getsockname()[1] != sockets.http.getsockname()[1]
    finally:
        sockets.close()
