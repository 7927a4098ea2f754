"""Compare `eengines.nvinfer`'s picture of TensorRT's API with real bindings; prints JSON. Run in a process of its own.

python contract_check.py MODULE VERSION
"""

import inspect
import json
import re
import sys
from importlib import import_module

from eengines.nvinfer import api, api_of_some, differences, library_api
from eengines.nvinfer.offers import members, offers

RENAMED = {"LogSeverity": "ILogger.Severity"}
NOT_THEIRS = {"Enum"}


def resolve(module, path):
    found = module
    for part in filter(None, path.split(".")):
        found = getattr(found, part, None)
    return found


def split_arguments(text):
    """Split at commas that are not inside brackets."""
    depth, parts = 0, [""]
    for sign in text:
        depth += (sign in "([<") - (sign in ")]>")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts if part.strip()]


def overloads(method):
    """[(name, has a default), ...] of each signature in the docstring that pybind11 writes."""
    found = re.findall(r"^(?:\d+\. )?\w+\((self: .*)\) -> ", method.__doc__ or "", re.MULTILINE)
    return [[(a.split(":")[0], "=" in a) for a in split_arguments(text)[1:]] for text in found]


def fits(function, method):
    """Whether a call as `function` is declared reaches one of the overloads, with the same names in the same places."""
    _, *ours = inspect.signature(function).parameters.values()
    for theirs in overloads(method):
        same = all(a.kind is a.POSITIONAL_ONLY or a.name == b[0] for a, b in zip(ours, theirs, strict=False))
        if len(ours) <= len(theirs) and same and all(optional for _, optional in theirs[len(ours) :]):
            return True
    return False


def missing(kind, owner):
    """Members that the real class lacks or declares otherwise."""
    if owner is None:
        return ["the class itself"]
    wrong = []
    for name in members(kind):
        declared, real = inspect.getattr_static(kind, name, None), getattr(owner, name, None)
        if not hasattr(owner, name):
            wrong.append(name)
        elif inspect.isfunction(declared):
            method = real.__init__ if inspect.isclass(real) else real
            if not fits(declared, method):
                wrong.append(f"{name}: ours {inspect.signature(declared)}, theirs {overloads(method)}")
    return wrong


def main(module_name, version):
    trt = import_module(module_name)
    problems = []
    for name in api.__all__:
        if name not in NOT_THEIRS:
            owner = resolve(trt, RENAMED.get(name, name))
            problems += [f"{name}.{member}" for member in missing(getattr(api, name), owner)]
    problems += [f"module.{member}" for member in missing(library_api.TensorRt, trt)]
    for kind, (path, versions) in api_of_some.HAVE.items():
        lacks = missing(kind, resolve(trt, path))
        if (not lacks) != (version in versions):
            problems.append(f"{kind.__name__} in {path or 'module'}: declared {versions}, here lacking {lacks}")
        if (offers(resolve(trt, path), kind) is None) != bool(lacks):
            problems.append(f"{kind.__name__}: `offers` says otherwise than the signatures: {lacks}")
    checked = len(api.__all__) + len(api_of_some.HAVE)
    facts = {
        "version": differences.version(trt),
        "creation_flags": differences.creation_flags(trt),
        "weak_typing": differences.weak_typing(trt) is not None,
        "monitor": differences.monitor_class(trt) is not None,
        "rtx": differences.is_rtx(trt),
        "cards": sorted(differences.known_cards(trt)),
    }
    json.dump({"problems": problems, "checked": checked, "facts": facts}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
