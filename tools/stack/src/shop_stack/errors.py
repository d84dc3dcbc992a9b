"""The errors of the stack that a user can cure."""

from __future__ import annotations


class UserError(Exception):
    """The stack cannot do what was asked. The message says what to do. It is shown without a traceback."""


class ServiceAway(UserError):
    """A service does not answer, or cannot do its work now. Others may."""


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error of a group to report: concurrent tasks fail together. A UserError counts first: it has a cure."""
    user_errors, _ = group.split(UserError)
    found: BaseException = user_errors or group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
