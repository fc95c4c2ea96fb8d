"""An authority for tests, which signs certificates."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
END = datetime(2120, 1, 1, tzinfo=UTC)


class Identity:
    """A certificate with its key."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate, self.key = certificate, key

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def fingerprint(self) -> str:
        """SHA-256, as openssl shows it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    def put(self, folder: Path, name: str) -> tuple[str, str]:
        """The files with the certificate and with the key, written or overwritten."""
        chain, key = folder / f"{name}.pem", folder / f"{name}.key"
        chain.write_bytes(self.pem)
        key.write_bytes(self.key_pem)
        return str(chain), str(key)


class Authority(Identity):
    """Signs certificates; the first name of one is its common name."""

    def __init__(self, name: str = "authority") -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(name)
        draft = _draft(subject, subject, key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        super().__init__(draft.sign(key, hashes.SHA256()), key)

    def identity(self, name: str, *sans: x509.GeneralName, end: datetime = END) -> Identity:
        """A certificate with these alternative names."""
        key = ec.generate_private_key(ec.SECP256R1())
        draft = _draft(_subject(name), self.certificate.subject, key, end)
        if sans:
            draft = draft.add_extension(x509.SubjectAlternativeName(sans), critical=False)
        return Identity(draft.sign(self.key, hashes.SHA256()), key)

    def with_extension(self, name: str, oid: x509.ObjectIdentifier, value: bytes) -> Identity:
        """A certificate with an extension as it is said, right or not."""
        key = ec.generate_private_key(ec.SECP256R1())
        draft = _draft(_subject(name), self.certificate.subject, key)
        draft = draft.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        return Identity(draft.sign(self.key, hashes.SHA256()), key)


def _subject(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Shop"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _draft(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, end: datetime = END
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(end)
    )
