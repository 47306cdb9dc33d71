"""Middlewares as plain ASGI. Every request passes them in this order:

`HeadAsGet`          HEAD wherever GET is
`ProxyPrefix`        the path at which a proxy shows the service, if it does
`Cors`               for web pages of other origins, if asked for
`RequestLog`         an id, the route's policy, one log line at the end
`RequestTrace`       a span for OpenTelemetry, if asked for
`OriginCheck`        WebSockets of web pages: which origins may open them
`UnreadBody`         closes the connection after an answer that came before the body was read
`SlowBody`           gives up on a body that comes too slowly
`KeyCheck`           API keys
`BodyLimit`          the size of the body
`ShutdownGuard`      counts requests in flight; refuses new ones when the server stops
`RateLimit`          requests and seconds of audio for each key
`AdmitBeforeBody`    a place among the requests in flight, before an upload is read
`MultipartPreamble`  drops what may stand before the first part of a form
"""

from src.api.middleware.admission import AdmitBeforeBody
from src.api.middleware.base import Guard
from src.api.middleware.body import BodyLimit, SlowBody, UnreadBody
from src.api.middleware.cors import Cors
from src.api.middleware.head import HeadAsGet
from src.api.middleware.keys import KeyCheck
from src.api.middleware.log import RequestLog
from src.api.middleware.origins import OriginCheck
from src.api.middleware.preamble import MultipartPreamble
from src.api.middleware.prefix import ProxyPrefix
from src.api.middleware.rate_limit import RateLimit
from src.api.middleware.shutdown import ShutdownGuard
from src.api.middleware.trace import RequestTrace

__all__ = [
    "AdmitBeforeBody",
    "BodyLimit",
    "Cors",
    "Guard",
    "HeadAsGet",
    "KeyCheck",
    "MultipartPreamble",
    "OriginCheck",
    "ProxyPrefix",
    "RateLimit",
    "RequestLog",
    "RequestTrace",
    "ShutdownGuard",
    "SlowBody",
    "UnreadBody",
]
