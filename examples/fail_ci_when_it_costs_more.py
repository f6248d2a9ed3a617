"""A check for continuous integration: exit code 6 when a prediction on a Raspberry Pi 4 costs more.

python fail_ci_when_it_costs_more.py [TREES]

The first run writes counts.json, which is committed; later ones compare with it. Instructions are counted on
an emulated core, after `edgeml devices setup raspberry-pi-4`, once.
"""

import subprocess
import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

import edgeml

COUNT = [sys.executable, "-m", "edgeml", "bench", "cancer.edgeml", "--on", "raspberry-pi-4", "--count"]


def main(trees: int = 50) -> int:
    x, y = load_breast_cancer(return_X_y=True)
    model = RandomForestClassifier(trees, random_state=0).fit(x, y)
    edgeml.compile(model, device="raspberry-pi-4", data=edgeml.Data(x, y), formats=["onnx"]).save(
        "cancer.edgeml"
    )
    counts = Path("counts.json")
    if counts.exists():
        return subprocess.run([*COUNT, "--against", counts.name, "--max-increase", "2%"]).returncode
    done = subprocess.run([*COUNT, "--json"], stdout=subprocess.PIPE)
    if done.returncode == 0:
        counts.write_bytes(done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
