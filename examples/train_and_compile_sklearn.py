"""The export step of a training pipeline: fit, compile within a budget, save the bundle and some rows."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import edgeml


def main() -> None:
    x, y = load_digits(return_X_y=True)
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    x_train, x_test, y_train, y_test = train_test_split(x, names[y], random_state=0)
    model = make_pipeline(StandardScaler(), MLPClassifier(64, max_iter=300, random_state=0))
    model.fit(x_train, y_train)

    result = edgeml.compile(
        model,
        device="raspberry-pi-4",
        data=edgeml.Data(x_test, y_test),  # split in two: one part calibrates, the other judges
        budget=edgeml.Budget(max_accuracy_drop=0.01, max_size_kb=64),
        formats=["onnx"],  # spares a scikit-learn pipeline the import of TensorFlow
        objective="size",
        name="digits",
    )
    print(result.to_frame()[["format", "scheme", "status", "size_bytes", "accuracy", "flips"]].to_string())
    result.save("digits.edgeml")
    np.save("digits.npy", x_test[:100].astype(np.float32))
    print(f"wrote digits.edgeml ({Path('digits.edgeml').stat().st_size:,} bytes) and digits.npy")


if __name__ == "__main__":
    main()
