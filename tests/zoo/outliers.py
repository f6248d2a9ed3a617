"""Outlier detectors but for neighbours."""

from __future__ import annotations

from typing import Any

from zoo.specimen import Builder, fit, missing, new, scaled


def _forest(**options: Any) -> Any:
    return lambda: new("ensemble.IsolationForest", **{"n_estimators": 20, "random_state": 0} | options)


SPECIMENS: dict[str, Builder] = {
    "one-class-svm": fit(lambda: scaled("svm.OneClassSVM", nu=0.3), "wine"),
    "one-class-svm-raw": fit(lambda: new("svm.OneClassSVM", nu=0.1), "diabetes"),
    "one-class-svm-linear": fit(lambda: new("svm.OneClassSVM", kernel="linear", nu=0.3), "iris"),
    "one-class-svm-poly": fit(
        lambda: scaled("svm.OneClassSVM", kernel="poly", degree=2, coef0=1.0, gamma=0.1), "breast_cancer"
    ),
    "one-class-svm-sigmoid": fit(lambda: scaled("svm.OneClassSVM", kernel="sigmoid", gamma="auto"), "wine"),
    "sgd-one-class-svm": fit(lambda: scaled("linear_model.SGDOneClassSVM", random_state=0), "wine"),
    "sgd-one-class-svm-average": fit(
        lambda: scaled("linear_model.SGDOneClassSVM", nu=0.1, average=True, random_state=0), "breast_cancer"
    ),
    "elliptic-envelope": fit(lambda: new("covariance.EllipticEnvelope", random_state=0), "wine"),
    "elliptic-envelope-centred": fit(
        lambda: scaled(
            "covariance.EllipticEnvelope", assume_centered=True, contamination=0.3, random_state=0
        ),
        "iris",
    ),
    "isolation-forest": fit(_forest(), "digits"),
    "isolation-forest-contamination": fit(_forest(contamination=0.1), "wine"),
    "isolation-forest-features": fit(_forest(max_features=0.5, bootstrap=True), "breast_cancer"),
    "isolation-forest-one-feature": fit(_forest(max_features=1, contamination=0.2), "iris"),
    "isolation-forest-samples": fit(_forest(max_samples=0.1), "diabetes"),
    "isolation-forest-one-sample": fit(_forest(n_estimators=3, max_samples=1), "iris"),
    "isolation-forest-missing": fit(_forest(), "wine", missing),
    "isolation-forest-scaled": fit(
        lambda: scaled("ensemble.IsolationForest", n_estimators=10, random_state=0), "wine"
    ),
}
