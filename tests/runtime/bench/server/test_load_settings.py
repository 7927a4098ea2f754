"""Settings that cannot be used are refused with their flag."""

from inspect import signature
from pathlib import Path

import pytest

from eengines.errors import UserError
from eerun.bench import BenchSettings, Scenario
from eerun.bench.server.serve_flags import CHANGE_ANSWERS, OWN
from eerun.bench.server.settings import LoadSettings
from eerun.cli.serve import serve_command


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"batch": 0}, "--batch"),
        ({"blocks": 0}, "--blocks"),
        ({"connections": 0}, "--connections"),
        ({"min_queries": 0}, "--min-queries"),
        ({"seed": -1}, "--seed"),
        ({"duration_s": 0.0}, "--duration"),
        ({"slo_ms": float("nan")}, "--slo-ms"),
        ({"qps": 0.0}, "--qps"),
        ({"qps": float("inf")}, "--qps"),
        ({"warm_up_ms": -1.0}, "--warm-up"),
        ({"percentile": 100.0}, "--percentile"),
        ({"served": "net"}, "--model"),
        ({"url": "http://h:1", "serve_flags": ("--threads", "1")}, "--serve-flags"),
        ({"url": "http://h:1", "check": True}, "--check"),
    ],
)
def test_what_cannot_be_used_is_refused(changes: dict[str, object], flag: str):
    with pytest.raises(UserError) as error:
        LoadSettings(**changes)
    assert error.value.where == flag


@pytest.mark.parametrize(
    "words", [("--whole",), ("--max-queue", "5", "--reload-s=1"), ("--host", "::1"), ("--no-grpc",)]
)
def test_flags_that_the_load_test_sets_itself_are_refused(words: tuple[str, ...]):
    with pytest.raises(UserError, match=r"--serve-flags: got --.*, which the load test decides itself"):
        LoadSettings(serve_flags=words)


@pytest.mark.parametrize("words", [("--calm-step", "1"), ("--max-batch=2",), ("--max-queue", "9", "--shadow", "1%")])
def test_flags_that_change_answers_are_refused_with_check(words: tuple[str, ...]):
    assert LoadSettings(serve_flags=words).serve_flags == words
    with pytest.raises(UserError, match=r"--serve-flags: got --.* with --check: it changes answers"):
        LoadSettings(serve_flags=words, check=True)


def test_every_flag_that_is_refused_exists():
    there = {f"--{name.replace('_', '-')}" for name in signature(serve_command).parameters}
    assert {*OWN, *CHANGE_ANSWERS} <= there


def test_a_record_has_no_folders():
    given = LoadSettings(bundle=Path("/a/net.ee"), data="/b/net.npz", serve_flags=("--file=/c/d",), qps=3.0)
    kept = given.without_folders()
    assert (kept.bundle, kept.data, kept.serve_flags) == (Path("net.ee"), "net.npz", ("--file=d",))
    assert kept.qps == 3.0


def test_the_other_scenarios_have_settings_of_their_own():
    with pytest.raises(UserError, match="--scenario: got server"):
        BenchSettings(scenario=Scenario.SERVER)
