"""One logger a process; what it is told is kept by thread, and nothing is lost."""

import logging
import threading

from required import require_rtx

from eengines.nvinfer.messages import last_message, logger_of, messages

trt = require_rtx()

ERROR, WARNING, INFO = trt.ILogger.Severity.ERROR, trt.ILogger.Severity.WARNING, trt.ILogger.Severity.INFO


def test_there_is_one():
    assert logger_of(trt) is logger_of(trt)


def test_the_innermost_listener_of_the_thread_hears():
    logger = logger_of(trt)
    with messages() as outer:
        logger.log(ERROR, "first")
        with messages() as inner:
            logger.log(WARNING, "second")
            logger.log(INFO, "not worth keeping")
        thread = threading.Thread(target=lambda: logger.log(ERROR, "elsewhere"))
        thread.start()
        thread.join()
        logger.log(trt.ILogger.Severity.INTERNAL_ERROR, "third")
    assert (outer.errors, outer.warnings) == (["first", "third"], [])
    assert (inner.errors, inner.warnings) == ([], ["second"])
    assert outer.text == "first\nthird"


def test_what_nobody_listens_to_is_logged_and_can_be_asked_for_once(caplog):
    with caplog.at_level(logging.WARNING, logger="eengines"):
        logger_of(trt).log(ERROR, "out of memory")
    assert "out of memory" in caplog.text
    assert last_message() == "out of memory"
    assert last_message() == ""


def test_the_library_itself_speaks_to_it():
    with messages() as heard:
        assert trt.Runtime(logger_of(trt)).deserialize_cuda_engine(b"no plan") is None
    assert heard.errors
