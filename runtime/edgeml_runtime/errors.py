"""Every error that edgeml raises on purpose, for all three distributions.

    EdgeMLError                      exit code 1
    ├── InputError                   2  what the caller passed
    │   ├── SignatureError              an array that does not fit the model's signature
    │   ├── DeviceProfileError          a device file that is not one
    │   └── UnknownNameError            a device, scheme, format ... that does not exist
    ├── BundleError                  3  a bundle that must not be run
    │   ├── ManifestError               its manifest is not what the format says
    │   └── IntegrityError              its bytes are not what the manifest says
    ├── EngineError                  4  the engine
    │   ├── MissingDependencyError      is not installed
    │   └── EngineFailedError           refused the artifact or failed while running
    ├── ConversionError              5  no artifact could be made
    │   ├── UnsupportedModelError       a step or layer that no converter takes
    │   ├── UnsupportedOperatorError    a graph operator that no lowering takes
    │   └── CalibrationError            data that nothing can be calibrated on
    └── NothingFitsError             6  artifacts were made, none is within the budget

A message names what failed, what was expected and what came, with units, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable


class EdgeMLError(Exception):
    """Base of all; `exit_code` is what the command line returns for it."""

    exit_code = 1


class InputError(EdgeMLError):
    """What the caller passed cannot be used."""

    exit_code = 2


class SignatureError(InputError):
    """An array does not fit the model's signature."""


class DeviceProfileError(InputError):
    """A device file breaks the profile's schema."""


class UnknownNameError(InputError):
    """A name that is not registered; the message lists the nearest ones."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        import difflib  # only who errs pays for it

        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "known: " + ", ".join(known)
        super().__init__(f"unknown {what} {name!r}; {hint}")
        self.name = name
        self.nearest = tuple(near)
        self._made_of = (what, name, known)

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, str, list[str]]]:
        # An exception is made again of its message alone, which is not what this one takes.
        return UnknownNameError, self._made_of


class BundleError(EdgeMLError):
    """A bundle that must not be run."""

    exit_code = 3


class ManifestError(BundleError):
    """The manifest is not what the bundle format says."""


class IntegrityError(BundleError):
    """The bundle's bytes are not what it says they are."""


class EngineError(EdgeMLError):
    """An inference engine is missing or failed."""

    exit_code = 4


class MissingDependencyError(EngineError):
    """A package that this step needs is not installed; the message has the pip line."""


class EngineFailedError(EngineError):
    """The engine refused the artifact or failed while running it."""


class ConversionError(EdgeMLError):
    """No artifact could be made."""

    exit_code = 5


class UnsupportedModelError(ConversionError):
    """The model has a step or layer that no converter takes."""


class UnsupportedOperatorError(ConversionError):
    """The graph has an operator that no lowering takes."""


class CalibrationError(ConversionError):
    """The calibration data cannot be used."""


class NothingFitsError(EdgeMLError):
    """Artifacts were made; none is within the budget."""

    exit_code = 6
