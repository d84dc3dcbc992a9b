"""Makes the CA of a shop in containers, and the certificate of its broker, when they are missing or about to expire.

The private key of the CA is written into a folder of its own, which no other program mounts. Run it with the three
folders and with the names by which clients reach the broker:

    python -m shop_stack.certificates --ca-key /tls/ca-key --ca /tls/ca --broker /tls/broker kafka localhost 127.0.0.1
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_FOR = timedelta(days=3650)
RENEWED_BEFORE = timedelta(days=30)
"""A certificate that expires sooner than this is made anew."""
PRIVATE = 0o600
FOR_THE_GROUP = 0o640
"""The broker runs as another user, in the group of the process that makes its certificate."""
PUBLIC = 0o644


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA: its private key, and its certificate, which every client trusts."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def ensure(ca_key: Path, ca: Path, broker: Path, names: Sequence[str], now: datetime) -> list[str]:
    """Make what is missing, and return the names of the files that were written. [] if all were in order.

    `ca_key` gets ca.key, `ca` gets ca.crt, and `broker` gets broker.pem: its private key and its certificate, for the
    DNS names and addresses in `names`. A new CA has a new certificate of the broker signed.
    """
    written: list[str] = []
    authority = _load_authority(ca_key / "ca.key", ca / "ca.crt", now)
    if authority is None:
        authority = _new_authority(now)
        _write(ca_key / "ca.key", _key_text(authority.key), PRIVATE)
        _write(ca / "ca.crt", _certificate_text(authority.certificate), PUBLIC)
        written += ["ca.key", "ca.crt"]
    if not _is_in_order(broker / "broker.pem", authority, names, now):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(authority, key, names, now)
        _write(broker / "broker.pem", _key_text(key) + _certificate_text(certificate), FOR_THE_GROUP)
        written.append("broker.pem")
    return written


def _load_authority(key_file: Path, certificate_file: Path, now: datetime) -> Authority | None:
    """The CA of the two files. None if one is missing, if they do not belong together, or if it expires soon."""
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    belong_together = key.public_key() == certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not belong_together or _expires(certificate, now):
        return None
    return Authority(key, certificate)


def _is_in_order(file: Path, authority: Authority, names: Sequence[str], now: datetime) -> bool:
    """Whether the broker's file has a certificate of this CA for these names, which does not expire soon."""
    try:
        content = file.read_bytes()
        key = serialization.load_pem_private_key(content, password=None)
        certificate = x509.load_pem_x509_certificate(content)
        certificate.verify_directly_issued_by(authority.certificate)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (FileNotFoundError, ValueError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return (
        key.public_key() == certificate.public_key()
        and found == _alternative_names(names)
        and not _expires(certificate, now)
    )


def _expires(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_after_utc < now + RENEWED_BEFORE


def _new_authority(now: datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    # The name distinguishes this CA from an earlier one: clients that trust both must find the right one.
    name = _named(f"Shopfloor CA {now:%Y-%m-%dT%H:%M:%SZ}")
    certificate = (
        _builder(name, name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, certificate)


def _signed(
    authority: Authority, key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime
) -> x509.Certificate:
    """The broker's certificate. The broker also connects to itself, so it is a server and a client."""
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    return (
        _builder(_named(names[0]), authority.certificate.subject, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(_alternative_names(names), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Clocks of two machines differ a little.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALID_FOR)
    )


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_alternative_name(name) for name in names])


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    # Kafka reads private keys in PKCS 8 only.
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _certificate_text(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(file: Path, content: bytes, mode: int) -> None:
    """Write the file with the rights of `mode` from the beginning. No reader sees an incomplete file."""
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        # The process may have a narrower umask.
        os.fchmod(stream.fileno(), mode)
        stream.write(content)
    draft.replace(file)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command. It prints what was made."""
    parser = argparse.ArgumentParser(
        description="Makes a CA and the broker's certificate, if they are missing."
    )
    parser.add_argument("--ca-key", type=Path, required=True, help="folder of the CA's private key")
    parser.add_argument("--ca", type=Path, required=True, help="folder of the CA's certificate")
    parser.add_argument(
        "--broker", type=Path, required=True, help="folder of the broker's key and certificate"
    )
    parser.add_argument("names", nargs="+", help="DNS names and addresses of the broker")
    given = parser.parse_args(arguments)
    written = ensure(given.ca_key, given.ca, given.broker, given.names, datetime.now(UTC))
    print(f"{', '.join(written)} made" if written else "the certificates are in order")


if __name__ == "__main__":
    main()
