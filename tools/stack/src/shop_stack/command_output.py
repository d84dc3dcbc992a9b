"""The output of commands that failed."""

from __future__ import annotations


def last_line(output: str, otherwise: str = "no output") -> str:
    """The last line of a command's output, which usually says why it failed; `otherwise` if there is no output."""
    return output.splitlines()[-1] if output else otherwise
