"""What stands before the first part of a multipart body."""

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from src.api.middleware.base import Guard


class MultipartPreamble(Guard):
    """Drops the preamble of a multipart body, which RFC 2046, 5.1.1 allows.

    python-multipart takes none. Nothing is held but as many bytes as a delimiter has.
    """

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind, options = parse_options_header(Headers(scope=scope).get("content-type", ""))
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            await self.app(scope, receive, send)
            return
        delimiter = b"\n--" + boundary
        held: bytes | None = b"\n"  # the first delimiter may begin the body
        """The end of the preamble so far; None once it is over."""

        async def receive_after_preamble() -> Message:
            nonlocal held
            while held is not None:
                message = await receive()
                if message["type"] != "http.request":
                    return message
                seen = held + message.get("body", b"")
                at = seen.find(delimiter)
                if at >= 0:
                    held = None
                    return {**message, "body": seen[at + 1 :]}
                held = seen[-len(delimiter) :]
                if not message.get("more_body", False):
                    held = None
                    return {**message, "body": seen}  # there is no part: the parser says so
            return await receive()

        await self.app(scope, receive_after_preamble, send)

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)
