"""`eerun bench --scenario server` against real servers: the two that it starts, and one that runs."""

import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from small_oip_server import small_server
from typer.testing import CliRunner

from eengines.errors import EngineError, UserError
from eerun.bench.server.eerun_server import EerunServer
from eerun.bench.server.expected import check_answers, expect
from eerun.bench.server.open_targets import OWN, start_servers
from eerun.bench.server.run import run_load_test
from eerun.bench.server.served_model import served_model
from eerun.bench.server.settings import LoadSettings
from eerun.cli.main import app
from eerun.model import load

ENGINE = ("--engine", "onnxruntime", "--threads", "2")


def bench(*words: object) -> dict[str, object]:
    runner = CliRunner()
    result = runner.invoke(app, ["bench", "--scenario", "server", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return {"text": result.stdout}


def test_chain_and_whole_network_in_turns(tiny_bundle, tmp_path: Path):
    file = tmp_path / "load.json"
    words = ("--bundle", tiny_bundle.path, "--qps", 40, "--slo-ms", 5000, "--duration", 1, "--min-queries", 1)
    text = bench(*words, *ENGINE, "--check", "--blocks", 2, "--batch", 3, "--json", file)["text"]
    assert text.count("Result is : VALID") == 2
    assert "Goodput of the chain is 1.000x" in text
    record = json.loads(file.read_bytes())
    chain, whole = (record["servers"][name] for name in ("chain", "whole"))
    for found in (chain, whole):
        assert found["answered"] == found["within_slo"] == found["queries"] == 40
        assert found["checked"]["samples"] + found["checked"]["open"] == 120
        assert found["checked"]["other_label"] == found["checked"]["other_exit"] == 0
        assert found["checked"]["unreadable"] == 0
        assert found["server_cpu_ms"] > 0
        assert sum(found["exits"].values()) == pytest.approx(1)
        assert sum(found["segments"][0]["batch_sizes"].values()) == found["segments"][0]["runs"] > 0
    assert list(chain["exits"]) == ["early", "final"]
    assert chain["exits"]["early"] > 0
    assert list(whole["exits"]) == ["whole"]
    assert len(whole["segments"]) == 1
    assert tiny_bundle.path.parent.as_posix() not in file.read_text()


def test_the_whole_network_chooses_its_engine_itself(tiny_bundle):
    """`--engine` and `--precision` are the chain's, as in the other scenarios: its rival is the fastest there is."""
    settings = LoadSettings(bundle=tiny_bundle.path, engine="onnxruntime", precision="float32", threads=2)
    with ExitStack() as stack:
        targets = start_servers(settings, stack, OWN).targets
        words = {
            name: Path(f"/proc/{target._process.pid}/cmdline").read_text().split("\0")
            for name, target in targets.items()
        }
    assert "--whole" in words["whole"]
    assert not {"--engine", "--precision"} & {*words["whole"]}
    assert words["chain"][words["chain"].index("--engine") + 1] == "onnxruntime"
    assert words["chain"][words["chain"].index("--precision") + 1] == "float32"
    for each in words.values():
        assert each[each.index("--threads") + 1] == "2"


def test_a_server_that_runs(tiny_bundle):
    with EerunServer(tiny_bundle.path, [*ENGINE, "--no-grpc"]) as server:
        url = f"http://{server.address.host}:{server.address.port}"
        settings = LoadSettings(
            url=url,
            bundle=tiny_bundle.path,
            qps=50.0,
            slo_ms=5000.0,
            duration_s=0.5,
            blocks=1,
            min_queries=1,
            check=True,
        )
        found = run_load_test(settings, lambda _: None)
        pid = server.pid
    assert list(found.servers) == ["server"]
    assert found.goodput_ratio is None
    summary = found.servers["server"]
    assert summary.model == "tiny"
    assert summary.constraints.valid
    assert summary.checked.samples + summary.checked.open == summary.queries == 25
    assert summary.checked.wrong == 0
    assert summary.server_cpu_ms is None
    assert not Path(f"/proc/{pid}").exists()


def test_another_server_of_the_protocol(tiny_bundle):
    """One that tells no exits and has no metrics."""
    with small_server() as server:
        url = f"http://{server.address.host}:{server.address.port}"
        settings = LoadSettings(
            url=url, data=str(tiny_bundle.data), qps=100.0, slo_ms=5000.0, duration_s=0.2, blocks=2, min_queries=1
        )
        summary = run_load_test(settings, lambda _: None).servers["server"]
        assert summary.answered == summary.queries == 20
        assert summary.server.startswith("net (test) on http://127.0.0.1:")
        assert (summary.exits, summary.segments, summary.checked) == ({}, (), None)
        with pytest.raises(EngineError, match="v2/models/other: answered 404"):
            run_load_test(LoadSettings(url=url, served="other", data=str(tiny_bundle.data)), lambda _: None)
        assert served_model(server.address, "my net/1").name == "my net/1"
        with pytest.raises(UserError, match="--url: no data"):
            run_load_test(LoadSettings(url=url), lambda _: None)


def test_a_server_that_does_not_start_says_why(tiny_bundle, tmp_path: Path):
    with pytest.raises(EngineError, match=r"eerun serve .*ended with 2: .*--no-such-flag"):
        EerunServer(tiny_bundle.path, ["--no-such-flag"])


def test_wrong_answers_are_counted(tiny_bundle):
    samples = np.arange(12).reshape(4, 3)
    with load(tiny_bundle.path, engine="onnxruntime", threads=2) as model:
        expected = expect(model, {"x": tiny_bundle.x}, samples)
        right = model.infer(tiny_bundle.x[:12])
    answers = [{"label": right.labels[row].copy(), "exit_index": right.exit_index[row].copy()} for row in samples]
    assert check_answers(answers, samples, expected).wrong == 0
    expected.open[:] = False
    expected.open[11] = True
    answers[0]["label"][1] += 1
    answers[1]["exit_index"][:2] += 1
    answers[3]["label"][2] += 1
    answers[2] = None
    checked = check_answers(answers, samples, expected)
    assert (checked.samples, checked.other_label, checked.other_exit) == (8, 1, 2)
    assert (checked.open, checked.unreadable) == (1, 1)


def test_what_a_folded_network_answers_cannot_be_compared(folded_bundle):
    with load(folded_bundle.path, threads=2) as model, pytest.raises(UserError, match="--check: the network is folded"):
        expect(model, {"x": np.zeros((4, 1))}, np.arange(4).reshape(4, 1))
