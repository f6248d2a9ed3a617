"""On the device, with numpy, edgeml-runtime and one engine: load, predict, use the session from threads.

python run_on_device.py BUNDLE ROWS.npy
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from edgeml_runtime import load, verify


def main(bundle: str, rows: str) -> None:
    session = load(bundle)  # every hash is checked before the engine sees a byte
    print("golden vectors:", verify(session.bundle).golden)

    x = np.load(rows)
    print("labels:", session.predict(x[:4]).tolist())
    print("sure by:", session.predict_proba(x[:4]).max(axis=1).round(3).tolist())

    with ThreadPoolExecutor(4) as pool:  # one session serves them all
        labels = list(pool.map(lambda row: session.predict(row[None])[0], x))
    print(f"{len(labels)} rows one by one agree with the batch:", (labels == session.predict(x)).all())


if __name__ == "__main__":
    main(*sys.argv[1:3])
