"""The journal: every finished trial of a search in one line of an Optuna journal file, on the disk at once.

Optuna's own tools read it. A line that a killed process left half written is cut off; the lock is the
kernel's and dies with its process; nothing is unpickled. A journal belongs to what it was made for: model,
data, candidates, budget, seed and versions.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from edgeml.cache import cache_folder
from edgeml.search.evaluate import Worth
from edgeml.search.space import CANDIDATE, Family, Point, Space
from edgeml_converters.recipe import Recipe
from edgeml_runtime.codec import CodecError, decode, encode
from edgeml_runtime.errors import InputError

STUDY = "edgeml"
OBJECTIVES = ("loss", "size_bytes", "float_macs")
_FIRST = b'{"op_code":0,'  # how a journal begins: a study is created
_SHOWN = 64  # characters of a fact that differs


@dataclass(frozen=True, slots=True)
class Tried:
    """A finished trial. `worth`: None where the recipe gave nothing that runs."""

    number: int
    family: str
    recipe: Recipe
    worth: Worth | None

    @property
    def point(self) -> Point:
        """What was tried."""
        return Point(self.family, self.recipe)


class Journal:
    """An open journal; `tried` is what it holds so far."""

    def __init__(self, path: Path, study: Any, tried: dict[int, Tried]) -> None:
        self.path = path
        self.tried = tried
        self._study = study

    def errors_alone(self, family: str) -> dict[str, float | None]:
        """By operator the error that it makes alone, as far as it was measured."""
        prefix = _alone(family, "")
        return {
            name.removeprefix(prefix): error if isinstance(error, float) else None
            for name, error in self._study.user_attrs.items()
            if name.startswith(prefix)
        }

    def add_error_alone(self, family: str, operator: str, error: float | None) -> None:
        """Remember what was measured once."""
        with _writing(self.path):
            self._study.set_user_attr(_alone(family, operator), error)

    def add(self, space: Space, tried: Tried) -> None:
        """Write a finished trial."""
        self.tried[tried.number] = tried  # first, so that Ctrl-C while it is written does not lose it
        with _writing(self.path):
            self._study.add_trial(frozen_trial(space, tried))


def journal_path(identity: Mapping[str, Any]) -> Path:
    """Where a search's journal lives unless its user says otherwise."""
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return cache_folder("searches") / f"{key[:32]}.log"


@contextmanager
def open_journal(path: Path, identity: Mapping[str, Any]) -> Iterator[Journal]:
    """The journal of a search, new or continued, for this process alone.

    Raises InputError where another process has it, where it was made for something else, or is no journal.
    """
    with _locked(path) as file:
        _cut_torn_line(file, path)
        study = _study(path)
        _check_identity(study, identity, path)
        try:
            found = [decode(Tried, trial.user_attrs["trial"]) for trial in study.get_trials(deepcopy=False)]
        except (CodecError, KeyError, TypeError, AttributeError) as error:
            raise _not_a_journal(path, f"a trial is not one of ours ({error})") from error
        yield Journal(path, study, {tried.number: tried for tried in found})


def _alone(family: str, operator: str) -> str:
    return f"error alone {family} {operator}"


def frozen_trial(space: Space, tried: Tried) -> Any:
    """A finished trial as Optuna keeps it: parameters, values, constraints, ours as an attribute."""
    from optuna.trial import TrialState, create_trial

    family, worth = space.families[tried.family], tried.worth
    params = {CANDIDATE: tried.family, **family.chosen(tried.recipe)}
    distributions = {CANDIDATE: tuple(space.families), **family.choices()}
    attributes: dict[str, Any] = {
        "params": params,
        "distributions": {name: _distribution(name, found) for name, found in distributions.items()},
        "user_attrs": {"trial": encode(tried)},
    }
    if worth is None:
        return create_trial(state=TrialState.FAIL, **attributes)
    return create_trial(
        state=TrialState.COMPLETE,
        values=[float(getattr(worth, name)) for name in OBJECTIVES],
        constraints={"quality": worth.quality_excess, "size": worth.size_excess},
        **attributes,
    )


def _distribution(name: str, choices: tuple[Any, ...]) -> Any:
    """Optuna's distribution of a parameter: places on a ladder have an order, other choices have none."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    return (
        IntDistribution(0, len(choices) - 1) if Family.is_ordered(name) else CategoricalDistribution(choices)
    )


class _NoLock:
    """Optuna's own lock file would outlive a killed process; the whole journal is locked already."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _study(path: Path) -> Any:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=_NoLock()))
        if path.stat().st_size:
            return optuna.load_study(study_name=STUDY, storage=storage)
        directions = ["minimize"] * len(OBJECTIVES)
        with quiet_optuna(), _writing(path):
            return optuna.create_study(storage=storage, study_name=STUDY, directions=directions)
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise _not_a_journal(path, f"it cannot be read ({error})") from error


def _check_identity(study: Any, identity: Mapping[str, Any], path: Path) -> None:
    known = study.user_attrs.get("identity")
    if known is None and not study.get_trials(deepcopy=False):  # killed right after the study was created
        with _writing(path):
            study.set_user_attr("identity", dict(identity))
        return
    here = json.loads(json.dumps(identity))
    if known == here:
        return
    there = known if isinstance(known, dict) else {}
    names = [name for name in sorted({*here, *there}) if here.get(name) != there.get(name)]
    differs = "; ".join(f"{n} was {_shown(there.get(n))}, now is {_shown(here.get(n))}" for n in names)
    raise InputError(f"{path} is the journal of another search: {differs}; name another file")


def _shown(fact: object) -> str:
    text = json.dumps(fact, sort_keys=True)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    import fcntl

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise InputError(f"cannot write the journal {path}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another process is searching with {path}: wait for it, or name another journal"
            ) from error
        yield file


def _cut_torn_line(file: BinaryIO, path: Path) -> None:
    """A line counts once it has ended; appending to half of one would spoil both."""
    file.seek(0)
    content = file.read()
    if not content.startswith(_FIRST) and not _FIRST.startswith(content):
        raise _not_a_journal(path, "it begins otherwise")
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.ftruncate(file.fileno(), whole)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write the journal {path}: {error.strerror}") from error


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Optuna tells on stderr of every study it creates."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _not_a_journal(path: Path, why: str) -> InputError:
    return InputError(f"{path} is not a search's journal: {why}; name another file, or remove it")
