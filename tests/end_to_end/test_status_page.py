"""The status page as people see it, in a real browser."""

import json
import re
import shutil
import time

import numpy as np
import pytest
from headless_browser import headless_browser
from served_on_a_thread import served_on_thread

from benchmarks.fragile_bundle import write_fragile
from eengines.errors import EngineError
from eerun.serve.settings import ServeSettings
from eerun.serve.status import PAGE

HOSTILE = "<script>document.title='taken'<\\script><img src=x onerror=\"document.title='taken'\">"
WAIT_S = 20
LEAST_CONTRAST = 4.5


@pytest.fixture(scope="module")
def browser():
    with headless_browser() as found:
        yield found


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_fragile(tmp_path_factory.mktemp("page") / "fragile.ee")


@pytest.fixture(scope="module")
def hostile(bundle, tmp_path_factory):
    """The same bundle from somebody who gave its first exit a name that is markup."""
    path = shutil.copytree(bundle.path, tmp_path_factory.mktemp("page") / "hostile.ee")
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["exits"][0] = HOSTILE
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


def serve(**bundles):
    return served_on_thread(
        ServeSettings(
            bundles=tuple(bundles.items()),
            port=0,
            grpc_port=None,
            engine="onnxruntime",
            threads=2,
            reload_s=0,
        )
    )


@pytest.fixture(scope="module")
def page(browser, bundle, hostile):
    """The page of a server that has answered, failed and refused; and the answers."""
    with serve(small=bundle.path, hostile=hostile) as server:
        model = server.repository.get("small").model
        browser.get(server.url)
        until(browser, "return document.querySelectorAll('section').length === 2")
        results = [model.submit(bundle.x[9 * n : 9 * (n + 1)]).result() for n in range(20)]
        with pytest.raises(EngineError):
            model.submit(bundle.poison).result()
        yield server, results
    browser.get("about:blank")


def until(browser, script: str) -> None:
    """Wait until a script returns true."""
    end = time.monotonic() + WAIT_S
    while not browser.execute_script(script):
        assert time.monotonic() < end, browser.find_element("tag name", "body").text
        time.sleep(0.1)


def tile(browser, name: str) -> str:
    return browser.find_element("css selector", f"section dd[data-tile='{name}']").text


def rows(browser, caption: str) -> list:
    (table,) = [
        table
        for table in browser.find_element("tag name", "section").find_elements("tag name", "table")
        if table.find_element("tag name", "caption").text.startswith(caption)
    ]
    return table.find_elements("css selector", "tbody tr")


def test_numbers_and_bars_equal_what_was_sent(browser, page):
    _, results = page
    left = np.bincount(np.concatenate([result.exit_index for result in results]), minlength=2)
    until(browser, "return document.querySelector(\"dd[data-tile='Answered']\").textContent === '180'")
    until(browser, "return document.querySelector(\"dd[data-tile='Failed']\").textContent === '1'")
    for row, name, count in zip(rows(browser, "Exits"), ("early", "final"), left.tolist(), strict=True):
        share = count / left.sum()
        assert row.find_element("tag name", "th").text == name
        cells = [cell.text for cell in row.find_elements("tag name", "td")]
        assert cells[:2] == [f"{100 * share:.1f} %", str(count)]
        bar, rail = (row.find_element("class name", kind).size["width"] for kind in ("fill", "rail"))
        assert bar / rail == pytest.approx(share, abs=0.01)
    assert "not answered: EngineError 1" in browser.find_element("tag name", "section").text


def test_segments_show_the_sizes_of_batches(browser, page):
    server, _ = page
    seen = server.repository.get("small").model.statistics()
    until(browser, f"return document.querySelectorAll('table')[1].textContent.includes('{seen.segment_runs[0]}')")
    for number, row in enumerate(rows(browser, "Segments")):
        cells = row.find_elements("tag name", "td")
        assert cells[0].text == str(seen.segment_runs[number])
        assert float(cells[1].text) == pytest.approx(seen.segment_rows[number] / seen.segment_runs[number], abs=0.06)
        label = cells[2].find_element("tag name", "svg").get_attribute("aria-label")
        shown = {int(size): int(count) for size, count in re.findall(r"(\d+): (\d+)", label)}
        assert shown == {size: count for size, count in enumerate(seen.segment_batch[number]) if count}


def test_latency_and_throughput_live(browser, bundle, page):
    server, _ = page
    model = server.repository.get("small").model
    model.submit(bundle.x[:50]).result()
    until(browser, "return /ms$/.test(document.querySelector(\"dd[data-tile='p99']\").textContent)")
    p50, p99 = (float(tile(browser, name).split()[0]) for name in ("p50", "p99"))
    assert 0 < p50 <= p99
    labels = [svg.get_attribute("aria-label") for svg in browser.find_elements("css selector", "svg[role='img']")[:2]]
    assert re.match(r"Latency, of the last 5 s: p50 [\d.]+ ms, p90 [\d.]+ ms, p99 [\d.]+ ms", labels[0])
    assert re.match(r"Throughput, of the last 5 s: samples/s [\d.]+, requests/s [\d.]+, failed/s", labels[1])


def test_a_name_is_text_and_nothing_else(browser, page):
    shown = [heading.text for heading in browser.find_elements("tag name", "h2")]
    assert shown == ["small", "hostile"]
    section = browser.find_elements("tag name", "section")[1]
    assert HOSTILE in section.text
    assert not browser.find_elements("css selector", "main script, main img")
    assert "taken" not in browser.title.replace(HOSTILE, "")


def test_the_browser_runs_no_script_but_the_page_own(browser, page):
    """Even markup that got into the page could do nothing."""
    browser.execute_script(
        "document.body.insertAdjacentHTML('beforeend', '<p id=inside onclick=\"window.ran=1\">x</p>');"
        "document.getElementById('inside').click();"
        "const s = document.createElement('script'); s.textContent = 'window.ran=1'; document.body.append(s);"
    )
    assert browser.execute_script("return window.ran === undefined")
    browser.execute_script("document.getElementById('inside').remove()")
    assert {"violates" in line["message"] for line in browser.get_log("browser")} == {True}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_the_light_and_in_the_dark(browser, page, scheme):
    """Contrast of WCAG 2.1, 1.4.3, level AA, of every text on the ground behind it."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    pairs = browser.execute_script("""
      const ground = (node) => { for (; node; node = node.parentElement) {
        const color = getComputedStyle(node).backgroundColor; if (color !== 'rgba(0, 0, 0, 0)') return color; } };
      return [...document.querySelectorAll('h1,h2,h3,caption,dt,dd,th,td,li,.state,.soft,svg text')].map((node) => {
        const style = getComputedStyle(node); return [node.namespaceURI.endsWith('svg') ? style.fill : style.color,
        ground(node)]; });""")
    assert len(pairs) > 50
    assert min(contrast(*pair) for pair in {tuple(pair) for pair in pairs}) >= LEAST_CONTRAST
    grounds = [sum(luminance(ground) for _, ground in pairs) / len(pairs)]
    assert (grounds[0] > 0.5) == (scheme == "light")


def luminance(color: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_a_telephone_needs_no_sideways_scrolling(browser, page):
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        until(browser, "return window.innerWidth === 360")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
        drawn = (
            "[...document.querySelectorAll('.card > svg')].map((svg) => svg.viewBox.baseVal.width - svg.clientWidth)"
        )
        until(browser, f"return {drawn}.every((apart) => Math.abs(apart) < 1)")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_everything_has_a_name_for_those_who_do_not_see_it(browser, page):
    unnamed = browser.execute_script("""
      return [...document.querySelectorAll('svg, [role=region]')].filter((node) =>
        !node.closest('[aria-hidden=true]') && !node.getAttribute('aria-label'))
        .map((node) => node.outerHTML.slice(0, 80));""")
    assert unnamed == []
    assert browser.execute_script("return document.documentElement.lang") == "en"
    assert all(cell.get_attribute("scope") for cell in browser.find_elements("css selector", "table th"))


def test_the_page_says_when_the_server_is_gone_and_when_it_is_back(browser, bundle):
    with serve(small=bundle.path) as server:
        server.repository.get("small").model.submit(bundle.x[:30]).result()
        browser.get(server.url)
        until(browser, "return document.querySelector(\"dd[data-tile='Answered']\")?.textContent === '30'")
        assert browser.find_element("id", "state").text == "ready"
        assert browser.find_element("id", "gone").text == ""
        assert browser.get_log("browser") == []
        port = server.port
    until(browser, "return document.getElementById('gone').textContent !== ''")
    assert browser.find_element("id", "gone").text.startswith("No answer from the server since ")
    assert browser.find_element("id", "state").text == "no answer"
    assert browser.title == "eerun: no answer"
    assert tile(browser, "Answered") == "30"
    again = ServeSettings(
        bundles=(("small", bundle.path),), port=port, grpc_port=None, engine="onnxruntime", threads=2, reload_s=0
    )
    with served_on_thread(again):
        until(browser, "return document.getElementById('state').textContent === 'ready'")
        until(browser, "return document.querySelector(\"dd[data-tile='Answered']\").textContent === '0'")
        assert browser.find_element("id", "gone").text == ""
        assert browser.title == "eerun: small"


def test_the_page_asks_nobody_else():
    assert not re.findall(r"(?:src|href|url|import)\s*[=(]\s*[\"']?(?:https?:)?//", PAGE)
    assert "innerHTML" not in PAGE
    assert "insertAdjacentHTML" not in PAGE
