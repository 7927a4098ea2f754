"""What a record says of files."""

from pathlib import Path

import pytest

from eerun.bench.file_names import command_without_folders, without_folder


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/a/b/net.ee", "net.ee"),
        ("net.ee/", "net.ee"),
        ("../net.npz", "net.npz"),
        ("pkg.module:make", "pkg.module:make"),
    ],
)
def test_the_last_part_of_a_path(given: str, expected: str):
    assert without_folder(given) == without_folder(Path(given)) == expected


def test_the_current_folder_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "net.ee").mkdir()
    monkeypatch.chdir(tmp_path / "net.ee")
    assert without_folder(".") == "net.ee"


def test_a_command_keeps_its_flags():
    given = ["/opt/bin/eerun", "bench", "--bundle=/a/net.ee", "--data", "b/x.npz", "--engine=auto", "--seed", "-1", "."]
    expected = ("eerun", "bench", "--bundle=net.ee", "--data", "x.npz", "--engine=auto", "--seed", "-1", ".")
    assert command_without_folders(given) == expected
    assert command_without_folders([""]) == ("",)
