"""Writes the passwords of a shop in containers into files, from which PostgreSQL and the services read them.

    python -m shop_stack.password_files /passwords

A service is one with a variable <SERVICE>_OWNER_PASSWORD. It has a folder of its own with `database` and `kafka`, from
<SERVICE>_PASSWORD and <SERVICE>_KAFKA_PASSWORD. The folder `postgres` has a file for each role of the databases.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

OWNER = "_OWNER_PASSWORD"
FOR_POSTGRES = "postgres"
PRIVATE = 0o400
FOR_ANOTHER_USER = 0o444
"""PostgreSQL runs as another user. No other container mounts its folder."""


def main(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Write the files into the folder that the only argument names. Returns the exit code."""
    if len(arguments) != 1:
        print("usage: python -m shop_stack.password_files FOLDER", file=sys.stderr)
        return 2
    try:
        files = password_files(variables)
    except KeyError as error:
        print(f"{error.args[0]} is missing or empty: set it to a password.", file=sys.stderr)
        return 1
    for name, password in files.items():
        mode = FOR_ANOTHER_USER if name.startswith(f"{FOR_POSTGRES}/") else PRIVATE
        replace_file(Path(arguments[0]) / name, password, mode)
    return 0


def password_files(variables: Mapping[str, str]) -> dict[str, str]:
    """Path of each file, relative to the folder, and the password in it.

    Raises KeyError with the name of a variable that has no password.
    """
    files = {}
    for variable in sorted(name for name in variables if name.endswith(OWNER)):
        prefix = variable.removesuffix(OWNER)
        service = prefix.lower()
        login = _password(variables, f"{prefix}_PASSWORD")
        files[f"{service}/database"] = login
        files[f"{service}/kafka"] = _password(variables, f"{prefix}_KAFKA_PASSWORD")
        files[f"{FOR_POSTGRES}/{service}"] = login
        files[f"{FOR_POSTGRES}/{service}_owner"] = _password(variables, variable)
    return files


def replace_file(file: Path, content: str, mode: int) -> None:
    """Write a file in a folder that exists. A reader sees the old content or the new one, and never a part of it."""
    written = file.with_name(f".{file.name}.new")
    written.unlink(missing_ok=True)
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(content)
    # Apart from the creation, because a umask takes bits away there.
    written.chmod(mode)
    written.replace(file)


def _password(variables: Mapping[str, str], name: str) -> str:
    if not variables.get(name):
        raise KeyError(name)
    return variables[name]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
