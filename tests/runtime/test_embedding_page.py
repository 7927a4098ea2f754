"""The examples of docs/embedding.md run, one after the other."""

import asyncio
import json
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "embedding.md"


def blocks():
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


async def post(app, body: bytes):
    """Status and JSON that an ASGI application answers with."""
    sent = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/classify",
        "raw_path": b"/classify",
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("test", 80),
        "root_path": "",
    }

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


def test_the_examples_run(tiny_bundle, tmp_path, monkeypatch, capsys):
    pytest.importorskip("starlette", reason="the extra `serve` is not installed")
    (tmp_path / "model.ee").symlink_to(tiny_bundle.path)
    monkeypatch.chdir(tmp_path)
    found = blocks()
    assert len(found) == 6
    names = {"x": tiny_bundle.x}
    for index, block in enumerate(found):
        exec(compile(block, f"{PAGE.name}, example {index}", "exec"), names)  # noqa: S102 - the page is ours
        if "app" in names and "answered" not in names:
            several = lambda: asyncio.gather(*(post(names["app"], row.tobytes()) for row in tiny_bundle.x[:9]))  # noqa: E731

            async def go(several=several):
                return await several(), await post(names["app"], b"no sample")

            names["answered"], wrong = asyncio.run(go())
            expected = names["model"].infer(tiny_bundle.x[:9])
            assert [(status, body["labels"]) for status, body in names["answered"]] == [
                (200, [label]) for label in expected.labels.tolist()
            ]
            assert [body["exits"] for _, body in names["answered"]] == [[e] for e in expected.exit_index.tolist()]
            assert wrong[0] == 400
    assert names["labels"] == names["result"].labels.tolist()
    assert names["counts"].requests >= 18
    assert str(names["counts"].exit_count) in capsys.readouterr().out
