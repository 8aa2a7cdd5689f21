"""Named checks over one subject, and the failure that says which one found what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Generic, TypeVar

from sigzoo.plugins.components import describe

_T = TypeVar("_T")

Check = Callable[[_T], None]


class ConformanceFailure(AssertionError):  # noqa: N818  (it is a failed assertion, and pytest shows it so)
    """Something does not do what `sigzoo.interfaces` promises; says what, and what was seen."""


def expect(condition: object, message: str) -> None:
    """Raise `ConformanceFailure` unless the condition holds."""
    if not condition:
        raise ConformanceFailure(message)


def expect_error(wanted: type[Exception], act: Callable[[], object], when: str) -> None:
    """Raise `ConformanceFailure` unless `act` raises `wanted`."""
    try:
        act()
    except wanted:
        return
    except Exception as error:
        raise ConformanceFailure(f"{when}: expected {wanted.__name__}, got {describe(error)}") from error
    raise ConformanceFailure(f"{when}: expected {wanted.__name__}, but nothing was raised")


class Suite(Generic[_T]):
    """Checks of one kind of thing, by name, in the order in which they were written."""

    def __init__(self) -> None:
        self.checks: dict[str, Check[_T]] = {}

    def check(self, function: Check[_T]) -> Check[_T]:
        """Add a check under the function's name; an exception in it is a failure of its subject.

        Parameters
        ----------
        function
            Takes the subject; what it raises is told in a line.

        Returns
        -------
        function
            The same.
        """
        name = function.__name__.strip("_")

        @wraps(function)
        def guarded(subject: _T) -> None:
            try:
                function(subject)
            except ConformanceFailure as failure:
                raise ConformanceFailure(f"{name}: {failure}") from failure.__cause__
            except Exception as error:
                raise ConformanceFailure(f"{name}: {describe(error)}") from error

        self.checks[name] = guarded
        return guarded

    def run(self, subject: _T, what: str, skip: Sequence[str] = ()) -> None:
        """Run all checks and tell of all that fail.

        Parameters
        ----------
        subject
            What is checked.
        what
            How the failures name it.
        skip
            Names of checks to leave out.

        Raises
        ------
        ConformanceFailure
            If any fails; a line for each.
        ValueError
            If `skip` names no check.
        """
        unknown = set(skip) - set(self.checks)
        if unknown:
            raise ValueError(f"no checks named {sorted(unknown)}; there are {list(self.checks)}")
        failures: list[ConformanceFailure] = []
        for name, check in self.checks.items():
            if name in skip:
                continue
            try:
                check(subject)
            except ConformanceFailure as failure:
                failures.append(failure)
        if failures:
            listed = "\n".join(f"  {failure}" for failure in failures)
            raise ConformanceFailure(f"{what} does not conform:\n{listed}") from failures[0]
