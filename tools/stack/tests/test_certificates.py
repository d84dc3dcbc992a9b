"""The certificates of a shop in containers: made once, trusted by clients, and made anew when they no longer fit."""

from __future__ import annotations

import ssl
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shop_stack import certificates

NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = ["kafka", "localhost", "127.0.0.1"]
ALL = ["ca.key", "ca.crt", "broker.pem"]


@dataclass(frozen=True)
class Folders:
    """The three folders, as three volumes."""

    ca_key: Path
    ca: Path
    broker: Path

    def ensure(self, names: list[str] = NAMES, now: datetime = NOW) -> list[str]:
        return certificates.ensure(self.ca_key, self.ca, self.broker, names, now)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "ca-key", tmp_path / "ca", tmp_path / "broker")
    for folder in (made.ca_key, made.ca, made.broker):
        folder.mkdir()
    return made


def handshake(cafile: Path, broker: Path, name: str) -> None:
    """A client connects to the broker under this name. Raises ssl.SSLError if it does not trust the broker."""
    to_client = ssl.MemoryBIO()
    to_server = ssl.MemoryBIO()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(broker)
    client_context = ssl.create_default_context(cafile=cafile)
    # The default of Python 3.13 and later.
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    unfinished = [client, server]
    while unfinished:
        side = unfinished.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            unfinished.append(side)


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_the_ca_trusts_the_broker_under_each_of_its_names(
    folders: Folders, name: str
) -> None:
    assert folders.ensure() == ALL
    handshake(folders.ca / "ca.crt", folders.broker / "broker.pem", name)


def test_a_client_does_not_trust_the_broker_under_another_name(folders: Folders) -> None:
    folders.ensure()
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(folders.ca / "ca.crt", folders.broker / "broker.pem", "postgres")


def test_a_client_does_not_trust_the_broker_of_another_ca(folders: Folders, tmp_path: Path) -> None:
    folders.ensure()
    other = Folders(*(tmp_path / name for name in ("other-key", "other-ca", "other-broker")))
    for folder in (other.ca_key, other.ca, other.broker):
        folder.mkdir()
    other.ensure()
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(folders.ca / "ca.crt", other.broker / "broker.pem", "kafka")


def test_a_second_run_changes_no_file(folders: Folders) -> None:
    folders.ensure()
    assert folders.ensure() == []


def test_another_name_needs_another_certificate_of_the_same_ca(folders: Folders) -> None:
    folders.ensure()
    assert folders.ensure([*NAMES, "broker"]) == ["broker.pem"]
    handshake(folders.ca / "ca.crt", folders.broker / "broker.pem", "broker")


def test_certificates_are_made_anew_before_they_expire(folders: Folders) -> None:
    folders.ensure()
    expiry = NOW + certificates.VALID_FOR
    assert folders.ensure(now=expiry - certificates.RENEWED_BEFORE) == []
    assert folders.ensure(now=expiry - certificates.RENEWED_BEFORE + timedelta(minutes=1)) == ALL


@pytest.mark.parametrize("lost", ["ca.key", "ca.crt"])
def test_without_a_part_of_the_ca_everything_is_made_anew(folders: Folders, lost: str) -> None:
    folders.ensure()
    (folders.ca_key if lost == "ca.key" else folders.ca).joinpath(lost).unlink()
    assert folders.ensure() == ALL
    handshake(folders.ca / "ca.crt", folders.broker / "broker.pem", "kafka")


def test_a_key_of_another_ca_makes_everything_anew(folders: Folders, tmp_path: Path) -> None:
    folders.ensure()
    other = Folders(tmp_path / "other-key", folders.ca, folders.broker)
    other.ca_key.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (other.ca_key / "ca.key").write_bytes(pem)
    assert other.ensure() == ALL
    handshake(folders.ca / "ca.crt", folders.broker / "broker.pem", "kafka")


@pytest.mark.parametrize("content", [b"", b"no certificate"])
def test_a_damaged_file_is_made_anew(folders: Folders, content: bytes) -> None:
    folders.ensure()
    (folders.broker / "broker.pem").write_bytes(content)
    assert folders.ensure() == ["broker.pem"]


def test_the_key_of_the_ca_is_in_its_own_folder_and_for_its_owner_alone(folders: Folders) -> None:
    folders.ensure()
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for folder in (folders.ca_key, folders.ca, folders.broker)
        for path in folder.iterdir()
    }
    assert modes == {"ca.key": 0o600, "ca.crt": 0o644, "broker.pem": 0o640}
    key = (folders.ca_key / "ca.key").read_text()
    for other in (folders.ca / "ca.crt", folders.broker / "broker.pem"):
        assert key not in other.read_text()


def test_the_command_says_what_it_made(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [f"--ca-key={folders.ca_key}", f"--ca={folders.ca}", f"--broker={folders.broker}", *NAMES]
    certificates.main(arguments)
    certificates.main(arguments)
    assert capsys.readouterr().out.splitlines() == [
        "ca.key, ca.crt, broker.pem made",
        "the certificates are in order",
    ]
