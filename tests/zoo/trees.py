"""Trees and forests."""

from __future__ import annotations

from zoo.specimen import Builder, fit, missing, new, scaled, strings, two_targets

SPECIMENS: dict[str, Builder] = {
    "decision-tree": fit(lambda: new("tree.DecisionTreeClassifier", max_depth=6, random_state=0), "digits"),
    "decision-tree-missing": fit(
        lambda: new("tree.DecisionTreeClassifier", max_depth=5, random_state=0), "wine", missing
    ),
    "decision-tree-regressor": fit(
        lambda: new("tree.DecisionTreeRegressor", max_depth=5, random_state=0), "diabetes"
    ),
    "decision-tree-multi-output": fit(
        lambda: new("tree.DecisionTreeClassifier", max_depth=5, random_state=0), "digits", two_targets
    ),
    "extra-tree": fit(lambda: new("tree.ExtraTreeClassifier", max_depth=5, random_state=0), "wine", strings),
    "random-forest": fit(
        lambda: scaled("ensemble.RandomForestClassifier", n_estimators=10, random_state=0), "digits"
    ),
    "random-forest-strings": fit(
        lambda: new("ensemble.RandomForestClassifier", n_estimators=5, max_depth=4, random_state=0),
        "wine",
        strings,
    ),
    "random-forest-missing": fit(
        lambda: new("ensemble.RandomForestClassifier", n_estimators=5, max_depth=4, random_state=0),
        "breast_cancer",
        missing,
    ),
    "random-forest-multi-output": fit(
        lambda: new("ensemble.RandomForestClassifier", n_estimators=4, max_depth=5, random_state=0),
        "digits",
        two_targets,
    ),
    "random-forest-regressor": fit(
        lambda: new("ensemble.RandomForestRegressor", n_estimators=6, max_depth=5, random_state=0),
        "diabetes",
    ),
    "random-forest-regressor-multi-output": fit(
        lambda: new("ensemble.RandomForestRegressor", n_estimators=4, random_state=0), "linnerud"
    ),
    "extra-trees": fit(
        lambda: new("ensemble.ExtraTreesClassifier", n_estimators=6, max_depth=6, random_state=0),
        "digits",
    ),
    "extra-trees-regressor": fit(
        lambda: new("ensemble.ExtraTreesRegressor", n_estimators=4, max_depth=5, random_state=0),
        "diabetes",
    ),
}
