"""The commands of docs/serving.md, run as they stand there."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from required import require_program
from served_on_a_thread import served_on_thread

from eerun.serve.settings import ServeSettings

PAGE = Path(__file__).parents[3] / "docs" / "serving.md"


@pytest.fixture(scope="module")
def served(tiny_bundle, tmp_path_factory):
    """The folder where commands run, and the server that they ask; data and datatype are those of the small bundle."""
    folder = tmp_path_factory.mktemp("page")
    bundle = shutil.copytree(tiny_bundle.path, folder / "model.ee")
    np.savez(folder / "model.npz", x_test=tiny_bundle.x)
    settings = ServeSettings(
        bundles=(("model", bundle),), port=0, grpc_port=None, engine="onnxruntime", threads=2, reload_s=0.0
    )
    with served_on_thread(settings) as server:
        yield folder, server


def blocks(server):
    """The indented blocks of the page, for this server."""
    text = PAGE.read_text().replace("UINT8", "FP32").replace("localhost:8000", server.address)
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE).strip() for block in found]


def run(folder, *command):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done
    return done.stdout


def test_curl_commands(served, inferred):
    require_program("curl")
    folder, server = served
    asked = [block for block in blocks(server) if "curl" in block]
    answers = "".join(run(folder, "bash", "-ec", block) for block in asked)
    decoder, documents = json.JSONDecoder(), []
    while answers:
        document, end = decoder.raw_decode(answers)
        documents.append(document)
        answers = answers[end:].lstrip()
    metadata, ready, model, answer, index, loaded = documents
    assert metadata["name"] == "eerun"
    assert ready["ready"]
    assert model["platform"] == "eecompile_ee"
    assert answer["id"] == "first"
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    assert outputs["label"] == inferred.labels[:2].tolist()
    assert outputs["exit_index"] == inferred.exit_index[:2].tolist()
    assert index == [{"name": "model", "version": "1", "state": "READY", "reason": ""}]
    assert loaded == {}


def test_the_tritonclient_example(served, inferred):
    folder, server = served
    (example,) = [block for block in blocks(server) if "import tritonclient" in block]
    assert run(folder, sys.executable, "-c", example) == f"{inferred.labels[:8]} {inferred.exit_index[:8]}\n"


def test_every_table_row_of_statuses_is_a_status():
    statuses = re.findall(r"^\| ([\d, ]+) \|", PAGE.read_text(), re.MULTILINE)
    found = {int(status) for row in statuses for status in row.split(",")}
    assert found == {400, 404, 405, 408, 413, 431, 500, 503, 504}
