"""No file says where packages and images come from: the user chooses that (a mirror, a proxy, an air gap)."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Whom a file may link to. None of them serves packages.
KNOWN_HOSTS = {
    "127.0.0.1",
    "localhost",
    "json-schema.org",
    "www.apache.org",
    "www.rfc-editor.org",
    "datatracker.ietf.org",
    "www.w3.org",
    "cloudevents.io",
}
RESERVED = re.compile(r"(^|\.)(example(\.(com|org|net))?|test|invalid|localhost|local)$")
URL = re.compile(r"\b(?:https?|git\+https|git\+ssh|ftp)://(?:[^\s/@\"'<>]*@)?([A-Za-z0-9._-]+)")
# Put together here, so that this file does not name them either.
REGISTRIES = [
    f"{name}.{end}"
    for end, names in {
        "org": ["pypi", "pythonhosted", "npmjs", "maven"],
        "io": ["docker", "ghcr", "quay", "gcr"],
        "com": ["docker"],
    }.items()
    for name in names
]
LOCK_OPTIONS = re.compile(
    r"^\s*(--(extra-)?index-url|-i|--find-links|-f|--trusted-host)\b|@ (https?|git\+|file:)", re.MULTILINE
)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def address_faults(text: str) -> list[str]:
    """Hosts in a text that are not known to be harmless."""
    hosts = {host.lower() for host in URL.findall(text)}
    strangers = {host for host in hosts - KNOWN_HOSTS if not RESERVED.search(host) and "." in host}
    return sorted(strangers | {name for name in REGISTRIES if name in text.lower()})


def lock_faults(text: str) -> list[str]:
    """What a lock may not hold: an option that names a source, or a line without a hash."""
    faults = [f"names a source: {match.group(0)}" for match in LOCK_OPTIONS.finditer(text)]
    requirements = [
        block for block in re.split(r"\n(?=\S)", text) if block.strip() and not block.startswith("#")
    ]
    return faults + [
        f"has no hash: {block.splitlines()[0]}" for block in requirements if "--hash=" not in block
    ]


def test_no_file_names_a_registry_or_a_download_address() -> None:
    found = {}
    for path in tracked():
        try:
            faults = address_faults(path.read_text())
        except UnicodeDecodeError:
            continue  # a picture says no address that a tool would use
        if faults:
            found[str(path.relative_to(ROOT))] = faults
    assert found == {}, (
        "take the address out, or, if it only leads a reader on, put its host into KNOWN_HOSTS"
    )


def test_locks_that_write_down_addresses_stay_out_of_git() -> None:
    names = {"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "package-lock.json", "pip.conf"}
    assert [str(path.relative_to(ROOT)) for path in tracked() if path.name in names] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/*/requirements.txt")), ids=lambda path: path.parent.name)
def test_a_lock_has_hashes_and_no_address(path: Path) -> None:
    assert lock_faults(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "see https://" + "files.pythonhosted" + ".org/packages/a.whl",
        "image: " + "docker" + ".io/library/postgres:18",
        "git+https://" + "code.host.dev/x.git",
        "curl https://" + "user:pw@mirror.corp.dev/simple",
    ],
)
def test_an_address_is_seen(text: str) -> None:
    assert address_faults(text) != []


@pytest.mark.parametrize(
    "text",
    [
        "--index-url somewhere\nfastapi==1 \\\n    --hash=sha256:0\n",
        "fastapi==1\n",
        "fastapi @ https" + "://h.dev/fastapi.whl \\\n    --hash=sha256:0\n",
    ],
)
def test_a_loose_lock_is_seen(text: str) -> None:
    assert lock_faults(text) != []
