"""Asks a registry, through docker, which digest an image has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

SECONDS = 60
"""How long docker may take to answer for one image."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
HAS_NONE = re.compile(r": not found\s*$|manifest unknown", re.IGNORECASE)
"""The registry answered, and the image is not there. Every other complaint says nothing about the image."""

NO_BUILDX = re.compile(r"unknown flag: --format|unknown command|is not a docker command")
"""Complaints of a docker that does not know the word buildx."""


class Unresolved(Exception):
    """No registry answered for the image. Its message is the reason, on one line."""


class NoSuchImage(Exception):
    """The registry answered that it does not have the image."""


def digest_of(image: str) -> str:
    """Ask the registry for the digest of an image, such as `postgres:18` or `postgres:18@sha256:…`.

    For an image with several platforms it is the digest of their index, which is right on each of them.

    Raises:
        NoSuchImage: the registry answered, and it does not have the image.
        Unresolved: no registry answered, or docker is missing.
    """
    docker = shutil.which("docker")
    if docker is None:
        raise Unresolved("there is no docker on the PATH")
    command = [docker, "buildx", "imagetools", "inspect", "--format", "{{json .Manifest.Digest}}", image]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise Unresolved(f"no answer in {SECONDS} s") from None
    if asked.returncode != 0:
        if HAS_NONE.search(asked.stderr):
            raise NoSuchImage(image)
        raise Unresolved(reason_in(asked.stderr))
    return digest_in(asked.stdout)


def digest_in(output: str) -> str:
    """The digest that docker printed. Raises Unresolved if it printed anything else: a digest is never guessed."""
    try:
        answer = json.loads(output)
    except ValueError:
        answer = None
    if not isinstance(answer, str) or not DIGEST.fullmatch(answer):
        raise Unresolved("docker's answer is not a digest")
    return answer


def reason_in(complaint: str) -> str:
    """The line of docker's complaint that says the reason: the one marked ERROR, else the first."""
    if NO_BUILDX.search(complaint):
        return "docker has no buildx plugin"
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    marked = [line for line in lines if line.startswith("ERROR: ")]
    return (marked or lines or ["docker gave no reason"])[0].removeprefix("ERROR: ")[:300]
