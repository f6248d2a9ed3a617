"""The house rules that a reader cannot see in one file: who imports whom, when, and how long a module is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Imports point down this list only.
PACKAGES = {
    "edgeml": ROOT / "edgeml",
    "edgeml_converters": ROOT / "converters/edgeml_converters",
    "edgeml_runtime": ROOT / "runtime/edgeml_runtime",
}
ENGINES = {"onnxruntime", "ai_edge_litert", "tflite_runtime"}
HEAVY = ENGINES | {
    "tensorflow", "keras", "tf_keras", "sklearn", "skl2onnx", "onnx", "tf2onnx", "skops", "joblib", "h5py",
    "pandas", "pyarrow", "scipy", "matplotlib", "lightgbm", "xgboost", "catboost", "optuna",
}  # fmt: skip
# What a distribution may import when its modules load, beside the standard library and the packages below it.
AT_MODULE_LEVEL = {
    "edgeml": {"numpy", "click", "rich"},
    "edgeml_converters": {"numpy"},
    "edgeml_runtime": {"numpy"},
}
# What the runtime may import inside functions: an engine, or a reader of the input files it offers.
RUNTIME_INSIDE_FUNCTIONS = ENGINES | {"numpy", "pyarrow"}
MAX_LINES = 400
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "devices/README.md", *ROOT.glob("*/README.md")]
)
MODULES = [(package, path) for package, folder in PACKAGES.items() for path in sorted(folder.rglob("*.py"))]


def module_id(value: object) -> str | None:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else None


def imports(path: Path) -> Iterator[tuple[str, int, bool]]:
    """Top-level package, line, and whether it is imported when the module loads."""
    pending: list[tuple[ast.AST, bool]] = [(ast.parse(path.read_text(encoding="utf-8")), True)]
    while pending:
        node, loading = pending.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno, loading) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield (node.module or "").partition(".")[0], node.lineno, loading
        inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            if not (isinstance(node, ast.If) and is_type_checking(node.test) and child in node.body):
                pending.append((child, loading and not inside))


def is_type_checking(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


@pytest.mark.parametrize(("package", "path"), MODULES, ids=module_id)
def test_imports_point_down(package, path):
    order = list(PACKAGES)
    below = set(order[order.index(package) :])
    upward = [f"line {line}: {name}" for name, line, _ in imports(path) if name in set(order) - below]
    assert upward == []


@pytest.mark.parametrize(("package", "path"), MODULES, ids=module_id)
def test_loading_a_module_imports_nothing_heavy(package, path):
    allowed = AT_MODULE_LEVEL[package] | set(PACKAGES) | sys.stdlib_module_names
    assert [
        f"line {n}: {name}" for name, n, loading in imports(path) if loading and name not in allowed
    ] == []


def test_the_runtime_imports_numpy_and_one_engine():
    allowed = RUNTIME_INSIDE_FUNCTIONS | {"edgeml_runtime"} | sys.stdlib_module_names
    found = {
        f"{path.name}: {name}"
        for package, path in MODULES
        if package == "edgeml_runtime"
        for name, _, _ in imports(path)
        if name not in allowed
    }
    assert found == set()


@pytest.mark.parametrize(("package", "path"), MODULES, ids=module_id)
def test_a_module_is_short(package, path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


IMPORT_ALL = """
import importlib, importlib.abc, pkgutil, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)

blocked = {blocked!r}
sys.meta_path.insert(0, Blocker())
package = importlib.import_module({package!r})
names = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    if not name.endswith(".__main__"):
        importlib.import_module(name)
print(len(names))
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_imports_without_its_extras(package):
    order = list(PACKAGES)
    above = set(order[: order.index(package)])
    others = set() if package == "edgeml" else {"click", "rich"}
    done = run_python(IMPORT_ALL.format(blocked=sorted(HEAVY | above | others), package=package))
    assert int(done) >= len(list(PACKAGES[package].glob("[a-z]*.py")))


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "statement",
    [
        "import edgeml",
        "import edgeml_runtime",
        "from edgeml_converters.registry import converters, sources; converters(); sources()",
        "from edgeml.devices import device_names; device_names()",
    ],
)
def test_importing_loads_nothing_heavy(statement):
    assert (
        run_python(f"import sys; {statement}; print(sorted(set({sorted(HEAVY)!r}) & sys.modules.keys()))")
        == "[]"
    )


@pytest.mark.parametrize(
    ("module", "program"), [("edgeml.cli", "edgeml"), ("edgeml_runtime.cli", "edgeml-runtime")]
)
def test_help_loads_nothing_heavy(module, program):
    code = f"""
import sys
from {module} import main
sys.argv = [{program!r}, "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print(sorted(set({sorted(HEAVY)!r}) & sys.modules.keys()))
"""
    assert run_python(code) == "[]"


@pytest.mark.parametrize("document", DOCUMENTS, ids=module_id)
def test_links_resolve(document):
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [t.partition("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]
    assert [target for target in local if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("distribution", ["runtime", "converters"])
def test_each_distribution_has_the_licence(distribution):
    assert (ROOT / distribution / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
