"""Passwords in files. They are read at each login, so a password can be changed while the process runs.

Docker and Kubernetes give a secret to a container as such a file.
"""

from pathlib import Path
from typing import Self


class PasswordMissing(OSError):
    """A file has no password in it."""


def read_password(file: Path) -> str:
    """The first line of a file. Raises OSError if the file cannot be read.

    Raises PasswordMissing if the line is empty, or if the file is not UTF-8.
    """
    try:
        password = file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError as error:
        raise PasswordMissing(f"{file} is no text in UTF-8") from error
    if not password:
        raise PasswordMissing(f"{file} has no password in its first line")
    return password


class PasswordInFile(str):
    """A password for aiokafka that is read from its file at each login.

    aiokafka keeps the password of a client as a text, and encodes the text at each login by SCRAM. The value of this
    text only describes the password. Its `encode` reads the file and returns the password. A login by PLAIN does not
    call `encode`, so it cannot use this class.
    """

    file: Path
    """The file of the password."""

    def __new__(cls, file: Path) -> Self:
        """A text for the password in `file`. The file is not read yet."""
        made = super().__new__(cls, f"the password in {file}")
        made.file = file
        return made

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """The password as bytes. Raises OSError as `read_password` does."""
        return read_password(self.file).encode(encoding, errors)
