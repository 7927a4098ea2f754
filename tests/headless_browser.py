"""A real browser without a window, for the tests of pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from required import require_module, require_program

__all__ = ["headless_browser"]

WAIT_S = 30
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,1000")


@contextmanager
def headless_browser() -> Iterator[Any]:
    """Chromium; `get_log("browser")` is its console."""
    webdriver = require_module("selenium.webdriver", "selenium is not installed: pip install 'eecompile[dev]'")
    service = require_module("selenium.webdriver.chrome.service", "selenium is not installed")
    for program in ("chromium", "chromedriver"):
        require_program(program)
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=service.Service(shutil.which("chromedriver")))
    try:
        browser.set_page_load_timeout(WAIT_S)
        yield browser
    finally:
        browser.quit()
