"""Little in this folder depends on how precise a latency is: measurements are brief, without a run-off."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from edgeml.cost import measure_apart


@pytest.fixture(scope="module", autouse=True)
def _brief_measurements() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgeml.judge.measure_apart", partial(measure_apart, seconds=0.01))
        patch.setattr("edgeml.pipeline.run_off", lambda _outcomes, _progress: None)
        yield
