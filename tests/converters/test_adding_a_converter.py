"""The example of docs/adding-a-converter.md, installed as another distribution and used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from conftest import require_module

from edgeml_converters.registry import converters

GUIDE = Path(__file__).parents[2] / "docs" / "adding-a-converter.md"

_USE = """
import sys
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from edgeml_converters.intake import describe, load_model, source_of
from edgeml_converters.registry import routes
from edgeml_runtime.engines.onnxruntime import ENGINE
from edgeml_runtime.tuning import DEFAULTS

x, y = load_diabetes(return_X_y=True)
x = x.astype(np.float32)
fitted = LinearRegression().fit(x, y)
np.savetxt(sys.argv[1], np.vstack([fitted.coef_[:, None], [[fitted.intercept_]]]))
model = describe(load_model(sys.argv[1]), "diabetes")
expected = source_of(model).predict(model, "predict", x)
assert np.allclose(expected[:, 0], fitted.predict(x), rtol=1e-4)
hop, quantize = next(r for r in routes("acme", "onnx") if len(r) == 2)
hub = hop.convert(model, "float32", None)
for artifact, limit in ((hub, 1e-3), (quantize.convert(hub, "int8-static", {"x": x[:200]}), 8.0)):
    (got,) = ENGINE.open(artifact.content, artifact.signature, DEFAULTS).run(("y",), [x])
    print(artifact.scheme, np.abs(got - expected).max() <= limit)
"""


def _blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_example_works_from_outside(tmp_path):
    require_module("onnx", "onnxruntime", "sklearn")
    (module,) = (block for block in _blocks("python") if "edgeml_acme.py" in block)
    project = tomllib.loads(_blocks("toml")[0])["project"]
    (tmp_path / "edgeml_acme.py").write_text(module, encoding="utf-8")
    installed = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    )
    (installed / "entry_points.txt").write_text(points)
    done = subprocess.run(
        [sys.executable, "-c", _USE, str(tmp_path / "model.acme")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["float32 True", "int8-static True"]


def test_the_table_lists_the_registry():
    rows = re.findall(
        r"^\| `([a-z0-9-]+)` \| (\S+) \| (\S+) \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(rows) == sorted((c.name, c.source, c.target) for c in converters().values())
