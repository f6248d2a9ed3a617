"""The targets: what estimates are worth on boards left out of the fit."""

import numpy as np
import pytest

from edgeml.latency.intervals import covered, spread
from edgeml.latency.lines import load_lines
from edgeml.latency.published import ALL, MICROCONTROLLER, ONE, load_published
from edgeml.latency.validation import family, left_out


@pytest.fixture(scope="module")
def published():
    return load_published()


@pytest.fixture(scope="module")
def known(published):
    return list(left_out(published, new_networks=False))


def relative(found, mode):
    return np.abs(np.expm1(np.concatenate([one.errors for one in found if one.mode == mode])))


@pytest.mark.parametrize(("mode", "limit"), [(ONE, 0.12), (ALL, 0.20), (MICROCONTROLLER, 0.15)])
def test_the_median_error_on_a_board_left_out(known, mode, limit):
    errors = relative(known, mode)
    assert len(errors) > (20 if mode == MICROCONTROLLER else 700)
    assert np.median(errors) <= limit


@pytest.mark.slow
@pytest.mark.parametrize("by", ["board", "soc"])
def test_intervals_hold_what_they_promise_on_boards_left_out(published, by):
    seen, unseen = (list(left_out(published, new_networks=new, by=by)) for new in (False, True))
    for mode in (ONE, ALL):
        tested = [one for one in seen if one.mode == mode]
        calibration = [one for one in unseen if one.mode == mode]
        assert 0.80 <= np.concatenate(covered(tested, calibration)).mean() <= 0.98
        assert 0.80 <= np.concatenate(covered(calibration, calibration)).mean() <= 0.98
        assert np.median(relative(tested, mode)) <= (0.12 if mode == ONE else 0.20)


def test_a_core_whose_boards_agree_has_the_narrower_interval(known):
    found = spread([one for one in known if one.mode == ONE])
    assert found.half_width([0.01] * 4) < found.half_width([0.25] * 4)
    assert found.half_width([]) == pytest.approx(found.quantile * found.variance**0.5)


def test_sizes_of_one_network_are_one_family():
    names = ("mobilenet-v1-0.25-128", "mobilenet-v1-1.0-224", "efficientnet-lite0-224", "vgg16-224")
    assert [family(name) for name in names] == ["mobilenet-v1", "mobilenet-v1", "efficientnet", "vgg16-224"]


@pytest.mark.slow
def test_the_committed_coefficients_are_those_of_the_committed_measurements(published):
    from edgeml.latency.fit import fit

    fitted = {(x.core, x.library, x.dtype, x.mode, x.memory, x.libraries): x for x in fit(published)}
    committed = {(x.core, x.library, x.dtype, x.mode, x.memory, x.libraries): x for x in load_lines()}
    assert fitted.keys() == committed.keys()
    for key, line in committed.items():
        assert line.boards == fitted[key].boards
        assert line.half_width == pytest.approx(fitted[key].half_width, rel=1e-2)
        np.testing.assert_allclose(line.coefficients, fitted[key].coefficients, rtol=1e-2, atol=1e-6)
