"""Signatures of callbacks, as the Standard Webhooks specification (1.0) has them.

Every key has a secret of its own, derived from one of the server's: whoever receives the callbacks of one key
cannot forge those of another.
"""

import base64
import hashlib
import hmac
import time

_PREFIX = "whsec_"


def owners_secret(server_secret: bytes, owner: str) -> str:
    """The secret of a key, as receivers are told it: `whsec_` and 32 bytes in base64."""
    derived = hmac.digest(server_secret, f"voz callbacks of {owner}".encode(), hashlib.sha256)
    return _PREFIX + base64.b64encode(derived).decode()


def signed_headers(secret: str, message_id: str, body: bytes) -> dict[str, str]:
    """The headers of a message that is sent now.

    Args:
        secret: of `owners_secret`.
        message_id: the same at every attempt.
        body: as it is sent.
    """
    timestamp = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }
