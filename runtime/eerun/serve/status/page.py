"""The status page: one file without outside resources."""

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

__all__ = ["PAGE", "PAGE_HEADERS"]

PAGE = files("eerun.serve.status").joinpath("page.html").read_text(encoding="utf-8")
"""HTML with its style and its script in it. It asks `/status.json` of the same server each second."""


def _source(tag: str) -> str:
    """What a browser compares with the one `<style>` or `<script>` of the page (CSP level 3)."""
    (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL)
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


PAGE_HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; script-src {_source('script')}; style-src {_source('style')}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
"""Headers to send with it: nothing runs but the script of the page itself, whatever a model is called."""
