"""Reading the page as Prometheus does."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from eerun.serve.metrics import metrics_page


class Scrape:
    """All samples of a page, by name and labels."""

    def __init__(self, repository) -> None:
        content_type, content = metrics_page(repository)
        assert content_type.startswith("text/plain; version=0.0.4")
        self.text = content.decode()
        self.kinds = dict(line.split(" ")[2:4] for line in self.text.splitlines() if line.startswith("# TYPE"))
        self.samples = {
            (
                sample.name.removesuffix("_total") if family.type == "counter" else sample.name,
                tuple(sorted(sample.labels.items())),
            ): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }

    def __call__(self, name, *, model="tiny", version="1", **labels):
        """One value; the parser takes `_total` off the names of counters."""
        found = {"model": model, "version": version, **labels}
        return self.samples[
            name.removesuffix("_total"), tuple(sorted((k, v) for k, v in found.items() if v is not None))
        ]

    def growing(self):
        """Every number that may never fall."""
        counters = {name.removesuffix("_total") for name, kind in self.kinds.items() if kind == "counter"}
        histograms = tuple(name for name, kind in self.kinds.items() if kind == "histogram")
        return {
            (name, labels): value
            for (name, labels), value in self.samples.items()
            if name in counters or name.startswith(histograms)
        }


@pytest.fixture
def scrape():
    """A function from repository to `Scrape`."""
    return Scrape
