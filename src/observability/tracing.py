"""OpenTelemetry traces, if OTEL_EXPORTER_OTLP_ENDPOINT is set. Otherwise the SDK is not even loaded.

A request is a span (`api/middleware/trace.py`). Its parts (`decode`, `queue`, `engine`, `storage put`, ...)
are child spans, recorded when they are over. So a caller who leaves keeps no span open, and no child span is
the current one while a generator waits to be resumed.

Spans wait in a bounded queue for a thread of the SDK, which sends them. If the collector is down or slow,
spans are lost, but no request fails.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from src.scheduling.observer import BatchObserver, Outcome

log = logging.getLogger(__name__)

Attributes = Mapping[str, str | int | float | bool]

_FLUSH_SECONDS = 5.0
"""Seconds in which the spans in the queue must be sent when the server stops."""
_QUIET_SECONDS = 60.0
"""Minimum number of seconds between two log lines about the same problem with the collector."""

_tracer: Tracer | None = None


@asynccontextmanager
async def tracing(endpoint: str, headers: Mapping[str, str], version: str) -> AsyncIterator[None]:
    """Trace while the block runs; then send the remaining spans.

    Args:
        endpoint: address of the collector (OTLP over HTTP); empty: nothing is traced.
        headers: headers of every export, e.g. for the collector's authentication.
        version: version of the service, an attribute of every span.
    """
    global _tracer  # noqa: PLW0603 - of the process, as its logs and metrics are
    if not endpoint:
        yield
        return
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ours = Resource({"service.name": "voz", "service.version": version, "process.pid": os.getpid()})
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before ours; the SDK reads OTEL_TRACES_SAMPLER itself
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(
        endpoint.rstrip("/") + "/v1/traces", headers=dict(headers), compression=Compression.Gzip
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    told = logging.getLogger(OTLPSpanExporter.__module__)
    told.addFilter(quiet := _Quiet())
    before, _tracer = _tracer, provider.get_tracer("voz", version)
    log.info("traces go to %s", urlsplit(endpoint).hostname)
    try:
        yield
    finally:
        _tracer = before

        def close() -> None:
            provider.shutdown()
            told.removeFilter(quiet)

        if not await _done_within(_FLUSH_SECONDS, close):
            log.warning("the last traces could not be sent within %g s", _FLUSH_SECONDS)
            quiet.wholly = True  # its last words come too late
            exporter.shutdown()  # type: ignore[no-untyped-call]


def is_on() -> bool:
    """Whether requests are traced."""
    return _tracer is not None


@contextmanager
def request_span(method: str, headers: Mapping[str, str]) -> Iterator[Span | None]:
    """The span of a request, current in this task while the block runs; None if it is not traced.

    Args:
        method: HTTP method; the span's name until its route is known.
        headers: headers of the request; `traceparent` makes the span a part of the caller's trace.
    """
    if _tracer is None:
        yield None
        return
    # the caller's baggage is ignored
    carrier = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
    parent = TraceContextTextMapPropagator().extract(carrier)
    with _tracer.start_as_current_span(
        method, parent, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
    ) as span:
        yield span if span.is_recording() else None


def carrier() -> dict[str, str] | None:
    """The trace context of this task (`traceparent`), for a part of its request in another process.

    None if the request is not traced.
    """
    if _tracer is None or not trace.get_current_span().is_recording():
        return None
    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    return headers


@contextmanager
def continued(name: str, headers: Mapping[str, str] | None) -> Iterator[None]:
    """A span of a request that began in another process, current in this task while the block runs.

    Args:
        name: name of the span.
        headers: what `carrier` gave there; None: it is not traced.
    """
    if _tracer is None or headers is None:
        yield
        return
    parent = TraceContextTextMapPropagator().extract(headers)
    with _tracer.start_as_current_span(
        name, parent, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
    ):
        yield


def record(
    name: str,
    began: float,
    ended: float | None = None,
    attributes: Attributes | None = None,
    failed: bool = False,
) -> None:
    """Add a finished span to the span of this task's request.

    Args:
        name: name of the span.
        began: start in seconds of `time.monotonic`.
        ended: end in seconds of `time.monotonic`; now if None.
        attributes: attributes without secrets, and without anything that was said or written.
        failed: whether it ended with an error.
    """
    if _tracer is None or not trace.get_current_span().is_recording():
        return
    now, now_ns = time.monotonic(), time.time_ns()

    def moment(clock: float) -> int:
        return now_ns - round((now - clock) * 1e9)

    span = _tracer.start_span(name, attributes=attributes, start_time=moment(began))
    if failed:
        span.set_status(StatusCode.ERROR)
    span.end(moment(now if ended is None else ended))


class BatchSpans(BatchObserver):
    """Records two spans for each job: its wait (`queue`) and its time in the model (`engine`)."""

    def returned(self, batcher: str, submitted: float, started: float | None, outcome: Outcome) -> None:
        record("queue", submitted, started, {"voz.engine": batcher})
        if started is not None:
            attributes: Attributes = {"voz.engine": batcher, "voz.left": outcome == "cancelled"}
            record("engine", started, None, attributes, outcome == "failed")


def trace_id(span: Span) -> str:
    """The span's trace id as 32 hex digits, as logs and collectors show it."""
    return trace.format_trace_id(span.get_span_context().trace_id)


class _Quiet(logging.Filter):
    """Limits how often each message is logged."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}
        self.wholly = False

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if self.wholly or now - self._last.get(str(record.msg), -_QUIET_SECONDS) < _QUIET_SECONDS:
            return False
        self._last[str(record.msg)] = now
        return True


async def _done_within(seconds: float, work: Callable[[], None]) -> bool:
    """Do `work` in a daemon thread; False if it takes longer than `seconds`."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def run() -> None:
        try:
            work()
        finally:
            with suppress(RuntimeError):  # too late: the loop is closed
                loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name="last-traces", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            await done.wait()
    except TimeoutError:
        return False
    return True
