"""A file that is not exactly what was written is a miss that says why; it is removed, and the plan built again."""

import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zlib_backend import OPTIONS, T4, USER_KEY, ZlibBackend

from eengines.engine_cache import EngineCache
from eengines.engine_cache.entry_file import MAX_HEADER_BYTES, PREFIX
from eengines.engine_cache.origin import Origin

GRAPH = b"a graph of some length" * 9
KEY = Origin.of(ZlibBackend(), GRAPH, OPTIONS).key


def fetch(folder, backend, graph=GRAPH):
    return EngineCache(folder, max_bytes=10**6, key=USER_KEY).fetch(backend, graph, OPTIONS, label="segment 2")


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> bytes:
    """The file of a plan."""
    folder = tmp_path_factory.mktemp("written")
    fetch(folder, ZlibBackend(notes=("one note",)))
    return (folder / f"{KEY}.plan").read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


def assert_repaired(folder, content: bytes, written: bytes) -> str:
    path = folder / f"{KEY}.plan"
    path.write_bytes(content)
    backend = ZlibBackend(notes=("one note",))
    _, outcome = fetch(folder, backend)

    assert (outcome.status, backend.builds) == ("rebuilt", 1)
    assert outcome.reason.startswith("segment 2: the kept plan is damaged, ")
    assert "\n" not in outcome.reason
    assert path.read_bytes() == written
    assert fetch(folder, backend)[1].status == "hit"
    return outcome.reason


@given(data=st.data())
def test_every_truncation(written, folder, data):
    assert_repaired(folder, written[: data.draw(st.integers(0, len(written) - 1))], written)


@given(data=st.data())
def test_every_flipped_bit(written, folder, data):
    bit = data.draw(st.integers(0, 8 * len(written) - 1))
    content = bytearray(written)
    content[bit // 8] ^= 1 << bit % 8
    assert_repaired(folder, bytes(content), written)


@given(content=st.binary(max_size=200))
def test_every_foreign_file(written, folder, content):
    assert_repaired(folder, content, written)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda file: file + b"\0", "bytes, expected"),
        (lambda file: file[: len(file) // 2] + bytes(len(file) - len(file) // 2), "SHA-256"),
        (lambda file: b"PK\3\4" + file[4:], "it begins with b'PK"),
        (lambda file: file[:8] + (9).to_bytes(4, "little") + file[12:], "got format 9, expected 2"),
        (
            lambda file: file[:12] + (MAX_HEADER_BYTES + 1).to_bytes(4, "little") + file[16:],
            f"expected at most {MAX_HEADER_BYTES}",
        ),
        (lambda file: file.replace(b"\r\n", b"\n"), "it begins with"),
        (lambda file: file[: PREFIX.size - 1], "expected at least"),
        (lambda _: b"", "it begins with b''"),
    ],
)
def test_the_damage_is_named(written, folder, damage, words):
    assert words in assert_repaired(folder, damage(written), written)


def test_a_header_that_is_whole_but_says_something_else(written, folder):
    header = b'{"label":"segment 2"}'
    tag = bytes(32)
    content = PREFIX.pack(written[:8], 2, len(header), hashlib.sha256(tag + header).digest(), tag) + header
    assert "cannot be understood" in assert_repaired(folder, content, written)


def test_a_damaged_file_goes_even_if_the_build_is_interrupted(tmp_path):
    def interrupt() -> None:
        raise KeyboardInterrupt

    (tmp_path / f"{KEY}.plan").write_bytes(b"damaged")
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, ZlibBackend(during=interrupt))
    assert list(tmp_path.iterdir()) == []


def test_the_plan_of_another_key_under_this_name(written, folder, tmp_path):
    other = ZlibBackend({**T4, "driver": "1"})
    fetch(tmp_path, other)
    (path,) = tmp_path.glob("*.plan")
    assert "it holds the plan of key" in assert_repaired(folder, path.read_bytes(), written)


def test_a_link_is_not_followed(written, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(written)
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / f"{KEY}.plan").symlink_to(elsewhere)
    backend = ZlibBackend(notes=("one note",))

    assert fetch(folder, backend)[1].status == "rebuilt"
    assert not (folder / f"{KEY}.plan").is_symlink()
    assert elsewhere.read_bytes() == written


def test_a_pipe_is_not_waited_on(tmp_path):
    os.mkfifo(tmp_path / f"{KEY}.plan")
    _, outcome = fetch(tmp_path, ZlibBackend())
    assert "it is not a regular file" in outcome.reason
    assert fetch(tmp_path, ZlibBackend())[1].status == "hit"


def test_a_folder_in_place_of_a_plan_costs_only_the_keeping(tmp_path):
    (tmp_path / f"{KEY}.plan").mkdir()
    plan, outcome = fetch(tmp_path, ZlibBackend())
    assert "cannot be read" in outcome.reason
    assert "Is a directory" in outcome.not_kept
    assert plan.content
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_damage_elsewhere_disturbs_nobody(written, tmp_path):
    (tmp_path / f"{'0' * 64}.plan").write_bytes(b"damaged")
    backend = ZlibBackend()
    assert [fetch(tmp_path, backend)[1].status for _ in range(2)] == ["built", "hit"]
    listed = EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY).info().entries
    assert [entry.label for entry in listed] == ["segment 2", ""]
    assert "it begins with" in listed[1].problem
