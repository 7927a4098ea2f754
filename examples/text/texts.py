"""Two sets of texts: SST-2, where a folder has it, and what installed packages say about their own functions."""

import inspect
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np

SST2 = Path(__file__).resolve().parents[3] / "shared" / "data" / "sst2"
"""Where SST-2 lies, if it does: beside the checkout."""

LIBRARIES = {
    "numpy": (
        "numpy,numpy.char,numpy.ctypeslib,numpy.fft,numpy.lib.format,numpy.lib.recfunctions,numpy.lib.stride_tricks,"
        "numpy.linalg,numpy.ma,numpy.polynomial,numpy.random,numpy.rec,numpy.testing"
    ),
    "python": (
        "argparse,ast,asyncio,base64,calendar,codecs,collections,configparser,contextlib,csv,datetime,decimal,difflib,"
        "email.message,enum,fractions,functools,gettext,gzip,html,http.client,http.cookies,http.server,inspect,io,"
        "ipaddress,itertools,json,locale,logging,logging.handlers,mailbox,multiprocessing,optparse,os,pathlib,pickle,"
        "platform,pprint,queue,random,re,sched,selectors,shelve,shutil,smtplib,socket,socketserver,sqlite3,ssl,"
        "statistics,string,struct,subprocess,tarfile,tempfile,textwrap,threading,time,tokenize,traceback,unittest,"
        "unittest.mock,urllib.parse,urllib.request,uuid,wave,weakref,xml.dom.minidom,xml.etree.ElementTree,zipfile"
    ),
    "scikit-learn": (
        "sklearn.calibration,sklearn.cluster,sklearn.compose,sklearn.covariance,sklearn.datasets,sklearn.decomposition,"
        "sklearn.ensemble,sklearn.feature_extraction,sklearn.feature_selection,sklearn.gaussian_process,"
        "sklearn.gaussian_process.kernels,sklearn.impute,sklearn.inspection,sklearn.linear_model,sklearn.manifold,"
        "sklearn.metrics,sklearn.metrics.cluster,sklearn.metrics.pairwise,sklearn.mixture,sklearn.model_selection,"
        "sklearn.multiclass,sklearn.naive_bayes,sklearn.neighbors,sklearn.neural_network,sklearn.pipeline,"
        "sklearn.preprocessing,sklearn.random_projection,sklearn.semi_supervised,sklearn.svm,sklearn.tree,"
        "sklearn.utils,sklearn.utils.extmath,sklearn.utils.sparsefuncs,sklearn.utils.validation"
    ),
    "scipy": (
        "scipy.cluster.hierarchy,scipy.cluster.vq,scipy.fft,scipy.integrate,scipy.interpolate,scipy.io,scipy.linalg,"
        "scipy.ndimage,scipy.optimize,scipy.signal,scipy.signal.windows,scipy.sparse,scipy.sparse.csgraph,"
        "scipy.sparse.linalg,scipy.spatial,scipy.spatial.distance,scipy.special,scipy.stats,scipy.stats.mstats,"
        "scipy.stats.qmc"
    ),
}
"""Public modules, by the class that their texts have."""

OWN_NAMES = re.compile(r"\b(numpy|np|scipy|sp|scikit[- ]learn|sklearn|python|cpython)\b", re.IGNORECASE)
SIGNATURE = re.compile(r"[\w.]+\(|[\w.]+ = ")
FEWEST_WORDS = 4
MOST_OF_A_CLASS = 1600
TEST_SHARE = 0.4


class Texts(NamedTuple):
    """Texts with their classes, as numbers; what is in `test` is in no form in `train`."""

    source: str
    classes: tuple[str, ...]
    train: list[tuple[str, int]]
    test: list[tuple[str, int]]


def load_texts(folder: Path | None, *, seed: int) -> Texts:
    """Return SST-2 from a folder, or the docstrings if there is none."""
    return docstrings(seed=seed) if folder is None else sst2(folder)


def sst2(folder: Path) -> Texts:
    """Read `train.tsv`, `dev.tsv` and `test.tsv`: a sentence, a tab, and 0 or 1. The last two are for testing."""
    parts = {name: _read(folder / f"{name}.tsv") for name in ("train", "dev", "test")}
    known = {text for text, _ in parts["train"]}
    unseen = [pair for pair in (*parts["dev"], *parts["test"]) if pair[0] not in known]
    return Texts("SST-2", ("negative", "positive"), parts["train"], unseen)


def docstrings(*, seed: int) -> Texts:
    """Which library says so: first paragraphs of the docstrings of its functions, classes and methods."""
    found = {library: set(_summaries(modules.split(","))) for library, modules in LIBRARIES.items()}
    owners = Counter(text for texts in found.values() for text in texts)
    random = np.random.default_rng(seed)
    train: list[tuple[str, int]] = []
    test: list[tuple[str, int]] = []
    for label, texts in enumerate(found.values()):
        own = sorted(text for text in texts if owners[text] == 1)
        chosen = [(own[index], label) for index in random.permutation(len(own))[:MOST_OF_A_CLASS]]
        count = round(TEST_SHARE * len(chosen))
        test += chosen[:count]
        train += chosen[count:]
    return Texts("docstrings of installed packages", tuple(found), train, test)


def _read(file: Path) -> list[tuple[str, int]]:
    pairs = (line.rpartition("\t") for line in file.read_text(encoding="utf-8").splitlines())
    return [(text, int(label)) for text, _, label in pairs]


def _summaries(modules: list[str]) -> Iterator[str]:
    """The first paragraph that is no signature of each docstring, on one line, without the libraries' names."""
    for name in modules:
        for member in _documented(import_module(name)):
            written = getattr(member, "__doc__", None)
            paragraphs = inspect.cleandoc(written).split("\n\n") if isinstance(written, str) else []
            prose = [" ".join(part.split()) for part in paragraphs if not SIGNATURE.match(part)]
            text = " ".join(OWN_NAMES.sub(" ", prose[0]).split()) if prose else ""
            if len(text.split()) >= FEWEST_WORDS:
                yield text


def _documented(module: object) -> Iterator[object]:
    """The public functions and classes of a module, and the public methods and properties of these."""
    for name, value in sorted(vars(module).items()):
        if name.startswith("_") or not callable(value):
            continue
        yield value
        if inspect.isclass(value):
            for own_name, own in vars(value).items():
                if not own_name.startswith("_") and (callable(own) or isinstance(own, property)):
                    yield own
