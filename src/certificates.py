"""One file of trusted certificates, SSL_CERT_FILE, for all that fetches something over TLS.

A proxy that opens TLS signs with a certificate of its own. Python's `ssl`, the Hugging Face hub and uv read
SSL_CERT_FILE. pip, npm, botocore and `requests` each have a variable of their own. It uses nothing but the
standard library, since `make setup` needs it before anything is installed.
"""

from collections.abc import Mapping
from pathlib import Path

_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


def certificate_variables(file: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables to set so that every tool and library trusts the certificates in `file`.

    Args:
        file: PEM. None: nothing is to be set.
        environment: a variable that it has, and that is not empty, is left as it is.
    """
    if file is None:
        return {}
    return {name: str(file.absolute()) for name in _VARIABLES if not environment.get(name)}
