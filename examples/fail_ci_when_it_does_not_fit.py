"""A check for continuous integration: exit code 6, and what would have to give, when a model outgrew a limit.

python fail_ci_when_it_does_not_fit.py [MAX_SIZE_KB]

On the command line `edgeml compile` does the same, with `--budget budget.toml` and the same exit code.
"""

import sys

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

import edgeml
from edgeml_runtime import EdgeMLError
from edgeml_runtime.errors import NothingFitsError


def main(max_size_kb: float = 16) -> int:
    x, y = load_breast_cancer(return_X_y=True)
    model = RandomForestClassifier(50, random_state=0).fit(x[::2], y[::2])
    try:
        result = edgeml.compile(
            model,
            device="raspberry-pi-zero-2w",
            data=edgeml.Data(x[1::2], y[1::2]),
            budget=edgeml.Budget(max_accuracy_drop=0.01, max_size_kb=max_size_kb),
            formats=["onnx"],
        )
    except EdgeMLError as error:  # bad input, a missing extra, nothing that converts
        print(error)
        return error.exit_code
    if result.explanation is not None:
        print(result.explanation.summary)
        for r in result.explanation.relaxations:
            limits = " and ".join(f"{m.limit} = {m.needed} (now {m.current})" for m in r.limits)
            print(f"{r.candidate} would fit with {limits}")
        return NothingFitsError.exit_code
    print("fits:", result.save("cancer.edgeml"))
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:2])))
