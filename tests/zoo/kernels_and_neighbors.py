"""Support vector machines, nearest neighbours and k-means."""

from __future__ import annotations

from zoo.specimen import Builder, fit, new, quietly, scaled, strings

SPECIMENS: dict[str, Builder] = {
    "svc-rbf": fit(lambda: scaled("svm.SVC"), "digits"),
    "svc-rbf-binary": fit(lambda: scaled("svm.SVC"), "breast_cancer"),
    "svc-poly-strings": fit(lambda: scaled("svm.SVC", kernel="poly"), "wine", strings),
    "svc-linear-one-vs-one": fit(
        lambda: scaled("svm.SVC", kernel="linear", decision_function_shape="ovo"), "wine"
    ),
    "svc-probability": quietly(fit(lambda: scaled("svm.SVC", probability=True, random_state=0), "wine")),
    "svc-probability-binary": quietly(
        fit(lambda: scaled("svm.SVC", probability=True, random_state=0), "breast_cancer")
    ),
    "svc-break-ties": fit(lambda: scaled("svm.SVC", break_ties=True), "iris"),
    "nu-svc-sigmoid": fit(lambda: scaled("svm.NuSVC", kernel="sigmoid", nu=0.2), "wine"),
    "svr": fit(lambda: scaled("svm.SVR", C=100), "diabetes"),
    "nu-svr": fit(lambda: scaled("svm.NuSVR", C=100), "diabetes"),
    "k-neighbors": fit(lambda: scaled("neighbors.KNeighborsClassifier", n_neighbors=3), "digits"),
    "k-neighbors-strings": fit(
        lambda: scaled("neighbors.KNeighborsClassifier", n_neighbors=4), "wine", strings
    ),
    "k-neighbors-regressor": fit(lambda: scaled("neighbors.KNeighborsRegressor", n_neighbors=5), "diabetes"),
    "k-means": fit(lambda: new("cluster.KMeans", 5, n_init=1, random_state=0), "digits"),
    "mini-batch-k-means": fit(
        lambda: scaled("cluster.MiniBatchKMeans", n_clusters=3, n_init=1, random_state=0), "wine"
    ),
}
