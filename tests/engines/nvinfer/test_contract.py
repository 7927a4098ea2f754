"""Every class, method, enum value and argument that `eengines.nvinfer` uses exists in every version that it is for.

The real Python bindings are imported over three small libraries with the right names and nothing in them: classes,
signatures and enums can be read, nothing can be built. That the code uses nothing else is what mypy checks.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from required import require_rtx, skip_or_fail

HERE = Path(__file__).parent
SOURCES = Path(__file__).resolve().parents[3] / "engines"
WHEELS = {
    "8.6.1": "tensorrt_bindings==8.6.1",
    "10.4.0": "tensorrt_cu12_bindings==10.4.0",
    "11.4.0": "tensorrt_cu13_bindings==11.4.0.106",
}
LIBRARIES = ("libnvinfer", "libnvonnxparser", "libnvinfer_plugin", "libnvparsers")
SYMBOLS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "getBuilderPluginRegistry",
    "getPluginRegistry",
    "getNvOnnxParserVersion",
    "initLibNvInferPlugins",
    "_ZN11nvuffparser15createUffParserEv",
    "_ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi",
    "_ZN14nvcaffeparser117createCaffeParserEv",
    "_ZN14nvcaffeparser123shutdownProtobufLibraryEv",
)
EXPLICIT_BATCH, STRONGLY_TYPED_10 = 1, 2
FACTS = {
    "8.6.1": {"creation_flags": EXPLICIT_BATCH, "weak_typing": True, "monitor": False, "rtx": False, "cards": []},
    "10.4.0": {
        "creation_flags": EXPLICIT_BATCH | STRONGLY_TYPED_10,
        "weak_typing": False,
        "monitor": True,
        "rtx": False,
        "cards": [],
    },
    "11.4.0": {"weak_typing": False, "monitor": True, "rtx": False, "cards": []},
    "RTX 1.7": {"weak_typing": False, "monitor": True, "rtx": True},
}


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = (
        Path(base) / "eecompile-tests" / "tensorrt-bindings" / f"cp{sys.version_info.major}{sys.version_info.minor}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fetch(requirement: str) -> Path:
    """A folder with the unpacked wheel; it is fetched once and kept."""
    folder = cache_folder() / requirement.replace("==", "-")
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
        options = ["--retries", "1", "--timeout", "10", "--disable-pip-version-check", "--dest", temporary]
        done = subprocess.run([*command, *options, requirement], capture_output=True, text=True, check=False)
        if done.returncode:
            skip_or_fail(f"{requirement} cannot be fetched for this Python: {done.stderr.strip().splitlines()[-1]}")
        (wheel,) = Path(temporary).glob("*.whl")
        unpacked = Path(temporary) / "unpacked"
        zipfile.ZipFile(wheel).extractall(unpacked)
        try:
            unpacked.rename(folder)
        except OSError:  # another process was faster
            assert folder.is_dir()
    return folder


def hollow_libraries(folder: Path, major: str) -> Path:
    """Shared libraries with the names and symbols that the bindings are linked to."""
    if shutil.which("gcc") is None:
        skip_or_fail("gcc is not installed")
    source = folder / "hollow.c"
    source.write_text("".join(f"void *{symbol}(void) {{ return 0; }}\n" for symbol in SYMBOLS))
    for library in LIBRARIES:
        name = f"{library}.so.{major}"
        subprocess.run(["gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", folder / name, source], check=True)
    return folder


def check(module: str, version: str, *, path: tuple[Path, ...] = (), libraries: Path | None = None) -> dict:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, SOURCES)))}
    if libraries:
        environment["LD_LIBRARY_PATH"] = str(libraries)
    command = [sys.executable, str(HERE / "contract_check.py"), module, version]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("version", sorted(WHEELS))
def test_tensorrt(version, tmp_path):
    bindings = fetch(WHEELS[version])
    found = check(
        "tensorrt_bindings", version, path=(bindings,), libraries=hollow_libraries(tmp_path, version.split(".")[0])
    )
    assert found["problems"] == []
    assert found["facts"]["version"][:3] == [int(part) for part in version.split(".")]
    assert {**found["facts"], **FACTS[version]} == found["facts"]
    assert found["checked"] > 50


def test_tensorrt_for_rtx():
    require_rtx()
    found = check("tensorrt_rtx", "RTX 1.7")
    assert found["problems"] == []
    assert {**found["facts"], **FACTS["RTX 1.7"]} == found["facts"]
    assert [7, 5] in found["facts"]["cards"]
    assert [12, 1] in found["facts"]["cards"]


def test_the_check_sees_what_a_version_lacks(tmp_path):
    bindings = fetch(WHEELS["8.6.1"])
    found = check("tensorrt_bindings", "10.4.0", path=(bindings,), libraries=hollow_libraries(tmp_path, "8"))
    assert any(problem.startswith("StrongTyping in NetworkDefinitionCreationFlag") for problem in found["problems"])
    assert any("set_device_memory" in problem for problem in found["problems"])
