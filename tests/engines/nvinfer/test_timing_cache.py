"""Times of tactics are kept in a file. TensorRT for RTX still has the calls, though it keeps no times."""

import logging

import pytest

from eengines.nvinfer.messages import logger_of, messages
from eengines.nvinfer.timing_cache import read_timing_cache, write_timing_cache

trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed: pip install 'eecompile[rtx]'")
pytestmark = pytest.mark.filterwarnings("ignore:.*Timing cache operations are no-ops:DeprecationWarning")


@pytest.fixture
def config():
    builder = trt.Builder(logger_of(trt))
    yield builder.create_builder_config()
    del builder


@pytest.mark.parametrize("content", [None, b"", b"damaged" * 9])
def test_whatever_the_file_is_the_build_gets_a_cache_and_leaves_a_whole_file(content, config, tmp_path):
    path = tmp_path / "folder" / "times"
    if content is not None:
        path.parent.mkdir()
        path.write_bytes(content)
    with messages():
        read_timing_cache(config, path)
        assert config.get_timing_cache() is not None
        write_timing_cache(config, path)
    assert path.stat().st_size > 0
    assert list(path.parent.iterdir()) == [path], "nothing half written is left"


def test_a_file_that_cannot_be_written_is_only_a_warning(config, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with caplog.at_level(logging.WARNING, logger="eengines"), messages():
        read_timing_cache(config, blocked / "times")
        write_timing_cache(config, blocked / "times")
    assert [("cannot be" in record.message) for record in caplog.records] == [True, True]
