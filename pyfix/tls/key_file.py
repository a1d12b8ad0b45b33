"""key_file - private keys, certificates and what is made of them: PEM in, PEM out

A key is RSA or ECDSA, as SMTP servers have them. Names in certificates are alternative names; a certificate that
signs itself has the first as its subject as well.

See also: pyfix.commands.postfix_tls, RFC 5280, RFC 2986, RFC 6698.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurve
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes as Key
    from cryptography.x509 import ExtensionType

CURVES = {
    "secp256r1": "SECP256R1", "prime256v1": "SECP256R1", "P-256": "SECP256R1",
    "secp384r1": "SECP384R1", "P-384": "SECP384R1",
    "secp521r1": "SECP521R1", "P-521": "SECP521R1",
}  # fmt: skip
"""Names of curves, as OpenSSL has them, and the library's."""
LIFE = timedelta(days=36501)
"""How long a certificate that signs itself is good: nobody should have to think of it."""
WANTS_LIBRARY = "keys and certificates need the package cryptography: pip install 'pyfix[tls]'"


class KeyFileError(Exception):
    """No such key or certificate can be made or read; str: why."""


def have_library() -> None:
    """KeyFileError: the library that does the work is not installed."""
    try:
        import cryptography  # noqa: F401  # whether it is there is all that is asked
    except ImportError:
        raise KeyFileError(WANTS_LIBRARY) from None


def new_key(algorithm: str, bits: str) -> bytes:
    """A new private key. algorithm: rsa or ecdsa; bits: its length, or the curve's name. KeyFileError."""
    key = _new_ecdsa(bits) if algorithm == "ecdsa" else _new_rsa(bits)
    from cryptography.hazmat.primitives import serialization as form

    pem: bytes = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    return pem


def _new_rsa(bits: str) -> Key:
    from cryptography.hazmat.primitives.asymmetric import rsa

    if not (bits.isascii() and bits.isdigit()):
        raise KeyFileError(f'can\'t parse "{bits}" as a number')
    try:
        key: Key = rsa.generate_private_key(65537, int(bits))
    except (ValueError, OverflowError) as error:
        raise KeyFileError(str(error)) from None
    return key


def _new_ecdsa(name: str) -> Key:
    from cryptography.hazmat.primitives.asymmetric import ec

    if name not in CURVES:
        raise KeyFileError(f"unknown curve; use one of {', '.join(CURVES)}")
    curve: EllipticCurve = getattr(ec, CURVES[name])()
    key: Key = ec.generate_private_key(curve)
    return key


def read_key(pem: bytes) -> Key:
    """The first private key of a file that may hold certificates as well. KeyFileError: none that can be used."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_first_block(pem, b"PRIVATE KEY-----"), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it asks for a password
        raise KeyFileError(str(error)) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise KeyFileError("neither an RSA nor an ECDSA key")
    found: Key = key
    return found


def _first_block(pem: bytes, kind: bytes) -> bytes:
    """The first PEM block whose BEGIN line ends with a kind; empty where there is none."""
    lines = pem.splitlines(keepends=True)
    begins = [at for at, line in enumerate(lines) if line.startswith(b"-----BEGIN ") and line.rstrip().endswith(kind)]
    return b"".join(lines[begins[0] :]) if begins else b""


def algorithm_of(key: Key) -> str:
    """rsa or ecdsa."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return "rsa" if isinstance(key, rsa.RSAPrivateKey) else "ecdsa"


def key_digest(key: Key) -> str:
    """SHA-256 of the public key in hexadecimal: the data of a TLSA record 3 1 1 (RFC 6698)."""
    return hashlib.sha256(_public(key.public_key())).hexdigest()


def certificate_digest(pem: bytes) -> str:
    """The same of the public key in a file's first certificate. KeyFileError: there is none."""
    from cryptography.x509 import load_pem_x509_certificate

    try:
        certificate = load_pem_x509_certificate(_first_block(pem, b"CERTIFICATE-----"))
    except ValueError as error:
        raise KeyFileError(str(error)) from None
    return hashlib.sha256(_public(certificate.public_key())).hexdigest()


def _public(key: object) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    shape = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    der: bytes = key.public_bytes(*shape)  # type: ignore[attr-defined]  # a union of a dozen kinds of keys
    return der


def self_signed(key: Key, hostnames: Sequence[str], now: datetime) -> bytes:
    """A certificate for host names, signed with its own key. KeyFileError: a name can't be."""
    from cryptography import x509

    try:
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hostnames[0])])
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + LIFE)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        return _signed(builder, key, hostnames)
    except ValueError as error:
        raise KeyFileError(str(error)) from None


def signing_request(key: Key, hostnames: Sequence[str]) -> bytes:
    """What a certificate authority wants to see (RFC 2986), with an empty subject. KeyFileError: a name can't be."""
    from cryptography import x509

    try:
        return _signed(x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])), key, hostnames)
    except ValueError as error:
        raise KeyFileError(str(error)) from None


def _signed(builder: Any, key: Key, hostnames: Sequence[str]) -> bytes:
    """PEM of a certificate or a request, for these hosts. ValueError: a name can't be."""
    from cryptography.hazmat.primitives import hashes

    for extension in _extensions(key, hostnames):
        builder = builder.add_extension(extension, critical=False)
    return _pem(builder.sign(key, hashes.SHA256()))


def _extensions(key: Key, hostnames: Sequence[str]) -> list[ExtensionType]:
    from cryptography import x509

    usage = x509.oid.ExtendedKeyUsageOID
    return [
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        x509.ExtendedKeyUsage([usage.SERVER_AUTH, usage.CLIENT_AUTH]),
        x509.SubjectAlternativeName([x509.DNSName(name) for name in hostnames]),
    ]


def _pem(what: object) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    pem: bytes = what.public_bytes(Encoding.PEM)  # type: ignore[attr-defined]  # a certificate or a request
    return pem
