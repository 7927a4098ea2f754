"""Every setting has its flag, and every flag its help."""

import dataclasses
import inspect

import typer

import eerun
from eecompile.attach.settings import AttachSettings
from eecompile.build import BuildSettings
from eecompile.build.fold_settings import FoldSettings
from eecompile.cli.main import app
from eecompile.compose import ComposeSettings
from eecompile.device_engines import EnginesSettings
from eecompile.export import ExportSettings
from eecompile.refresh import RefreshSettings
from eecompile.train.settings import TrainSettings
from eecompile.tune import TuneSettings
from eecompile.tune.after_build import AfterBuild
from eecompile.tune.trace_bundle import TraceSettings
from eerun.cli.main import app as eerun_app
from eerun.device_settings import DeviceSettings

RENAMED = {"json_file", "verbose", "model"}
"""Parameters of the command that are not settings: where to print."""


def build_parameters():
    return {p.name: p for p in typer.main.get_command(app).commands["build"].params}


def test_every_build_setting_has_a_flag():
    kinds = (BuildSettings, AfterBuild, FoldSettings)
    fields = {field.name for settings in kinds for field in dataclasses.fields(settings)}
    assert fields - {"policies"} == set(build_parameters()) - RENAMED - {"help"}


def test_every_flag_has_help():
    command = typer.main.get_command(app)
    for name, sub in command.commands.items():
        assert sub.help, name
        for parameter in sub.params:
            assert getattr(parameter, "help", None), f"{name}: {parameter.name}"


def test_flags_keep_the_defaults_of_the_settings():
    settings = BuildSettings()
    parameters = build_parameters()
    for field in dataclasses.fields(BuildSettings):
        default = parameters[field.name].default
        expected = getattr(settings, field.name)
        if field.name in ("max_drop", "max_quant_drop"):
            assert default == f"{expected:.0%}"
        else:
            assert default == expected or (not default and expected in (None, False)), field.name
    for field in dataclasses.fields(FoldSettings):
        default, expected = parameters[field.name].default, field.default
        assert default == expected or (not default and not expected), field.name


def test_every_attach_and_training_setting_has_a_flag_of_its_default():
    renamed = {
        "arch_kwargs": "arch_args",
        "batch": "train_batch",
        "device": "train_device",
        "precision": "train_precision",
        "cache_bytes": "cache_size",
    }
    parameters = {p.name: p for p in typer.main.get_command(app).commands["attach"].params}
    shown = {"at": "auto", "head_tolerance": "0.5%", "cache_bytes": TrainSettings().cache_bytes // 2**20}
    found = set()
    for settings in (AttachSettings(), TrainSettings()):
        for field in dataclasses.fields(settings):
            if field.name != "train":
                name = renamed.get(field.name, field.name)
                found.add(name)
                expected = shown.get(field.name, getattr(settings, field.name))
                default = parameters[name].default
                assert default == expected or (not default and not expected), name
    assert found == set(parameters) - {"backbone", "list_taps", "json_file", "verbose", "help"}


def test_every_refresh_setting_has_a_flag_of_its_default():
    renamed = {
        "batch": "train_batch",
        "device": "train_device",
        "precision": "train_precision",
        "cache_bytes": "cache_size",
    }
    joint_alone = {"mode", "loss_weights"}
    settings = RefreshSettings(data="recent.npz")
    shown = {"data": None, "min_gain": f"{settings.min_gain:.1%}", "cache_bytes": settings.train.cache_bytes // 2**20}
    parameters = {p.name: p for p in typer.main.get_command(app).commands["refresh"].params}
    found = set()
    for part in (settings, settings.train):
        for field in dataclasses.fields(part):
            if field.name != "train" and field.name not in joint_alone:
                name = renamed.get(field.name, field.name)
                found.add(name)
                expected = shown.get(field.name, getattr(part, field.name))
                default = parameters[name].default
                assert default == expected or (not default and not expected), name
    assert found == set(parameters) - {"bundle", "json_file", "verbose", "help"}


def test_every_compose_setting_has_a_flag_of_its_default():
    settings = ComposeSettings()
    parameters = {p.name: p for p in typer.main.get_command(app).commands["compose"].params}
    found = set()
    for field in dataclasses.fields(settings):
        name = {"max_memory_bytes": "max_memory"}.get(field.name, field.name)
        found.add(name)
        expected = f"{settings.max_drop:.0%}" if name == "max_drop" else getattr(settings, field.name)
        default = parameters[name].default
        assert default == expected or (not default and not expected), name
    assert found == set(parameters) - {"model", "json_file", "verbose", "help"}


def test_every_bench_setting_has_a_flag():
    from eerun.bench import BenchSettings

    parameters = {p.name for p in typer.main.get_command(eerun_app).commands["bench"].params}
    missing = {
        field.name
        for field in dataclasses.fields(BenchSettings)
        if not any(
            field.name.removesuffix(unit) in parameters | {field.name} & parameters for unit in ("", "_s", "_ms")
        )
    }
    assert not missing


def test_what_is_tuned_after_a_build_has_the_flags_of_tune():
    build, tune = ({p.name: p for p in typer.main.get_command(app).commands[name].params} for name in ("build", "tune"))
    for field in dataclasses.fields(AfterBuild):
        if field.name != "policies":
            assert build[field.name].default == tune[field.name].default, field.name
            assert build[field.name].opts == tune[field.name].opts, field.name
            assert build[field.name].secondary_opts == tune[field.name].secondary_opts, field.name


def test_every_tune_setting_has_a_flag_of_its_default():
    settings = TuneSettings()
    shown = {"policies": "all", "max_drop": f"{settings.max_drop:.0%}", "confidence": f"{settings.confidence:.0%}"}
    check_flags("tune", settings, shown, others={"json_file", "verbose"})


def test_every_trace_setting_has_a_flag_of_its_default():
    check_flags("trace", TraceSettings(), {}, others={"verbose"})


def check_flags(command, settings, shown, *, others):
    """Every field has a flag of its name with its default, and there is no other flag but `others`."""
    parameters = {p.name: p for p in typer.main.get_command(app).commands[command].params}
    found = {field.name for field in dataclasses.fields(settings)}
    assert found == set(parameters) - {"bundle", "help"} - others
    for name in found:
        expected, default = shown.get(name, getattr(settings, name)), parameters[name].default
        assert default == expected or (not default and not expected), name


def test_every_engines_setting_has_a_flag():
    renamed = {"workspace_bytes": "workspace", "cache_bytes": "cache_size"}
    parameters = {p.name for p in typer.main.get_command(app).commands["engines"].params}
    fields = {renamed.get(field.name, field.name) for field in dataclasses.fields(EnginesSettings)}
    assert fields == parameters - {"bundle", "json_file", "verbose", "help"}


def test_every_device_setting_can_be_chosen_everywhere():
    fields = {field.name for field in dataclasses.fields(DeviceSettings)}
    commands = typer.main.get_command(eerun_app).commands
    assert fields <= set(inspect.signature(eerun.load).parameters)
    for name in ("run", "bench"):
        assert fields <= {p.name for p in commands[name].params}, name


def test_every_export_setting_has_a_flag_of_its_default():
    check_flags("export", ExportSettings(), {}, others={"out"})
