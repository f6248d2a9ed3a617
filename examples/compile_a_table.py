"""A pipeline on a table with text, booleans and missing cells: compiled as it is, run without pandas."""

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_wine
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import edgeml
from edgeml_runtime import load


def wine_table() -> tuple[pd.DataFrame, pd.Series]:
    """The wines with some measurements as people note them: in words, yes or no, and not always."""
    wine = load_wine(as_frame=True)
    bands = ["pale", "medium", "deep"]
    table = pd.DataFrame(
        {
            "alcohol": wine.data["alcohol"],
            "proline": wine.data["proline"].astype(int),
            "colour": pd.qcut(wine.data["color_intensity"], 3, labels=bands).astype(object),
            "strong": wine.data["alcohol"] > 13,
        }
    )
    table.loc[::7, "colour"] = np.nan
    table.loc[::9, "alcohol"] = np.nan
    return table, wine.target.map({0: "barolo", 1: "grignolino", 2: "barbera"})


def main() -> None:
    table, wines = wine_table()
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    words = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="not noted"), OneHotEncoder(handle_unknown="ignore")
    )
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")), (words, ["colour"]), remainder="passthrough"
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(table, wines)

    result = edgeml.compile(
        model, device="raspberry-pi-4", data=edgeml.Data(table, wines), formats=["onnx"], name="wines"
    )
    result.save("wines.edgeml")

    session = load("wines.edgeml")  # all that follows needs no pandas and no scikit-learn
    record = {"alcohol": None, "proline": 1065, "colour": "deep", "strong": True}
    print("one record:", *session.predict([record]))
    columns_of_two = {
        "alcohol": [12.4, 13.9],
        "proline": [520, 1280],
        "colour": ["rosé", None],
        "strong": [False, True],
    }
    print("columns, an unknown and a missing colour:", *session.predict(columns_of_two))
    agree = (session.predict(table) == model.predict(table)).mean()
    print(f"the frame itself: {agree:.0%} as scikit-learn")


if __name__ == "__main__":
    main()
