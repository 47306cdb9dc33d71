"""Admission before the body is read, so that a refused caller does not upload it."""

import logging
from contextlib import ExitStack

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from src.api.errors import refuse
from src.api.middleware.base import Guard
from src.api.policy import AdmissionClass, policy_of
from src.errors import Overloaded
from src.scheduling.admission import AdmissionController, Place, UploadSpace

log = logging.getLogger(__name__)


class AdmitBeforeBody(Guard):
    """Takes the place of a request whose policy says so, and the disk space for its upload.

    Both are released when the answer has been sent. The route limits the time of its work with the `Place`
    in `scope["state"]["place"]`. `SlowBody` limits the time of the upload.

    Args:
        space: disk space of all uploads in flight.
    """

    def __init__(self, app: ASGIApp, space: UploadSpace) -> None:
        super().__init__(app)
        self._space = space

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        policy = policy_of(scope)
        declared = Headers(scope=scope).get("content-length", "")
        size = int(declared) if declared.isdigit() else policy.body_limit
        await self._serve(scope, receive, send, policy.admission, size)

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send, policy_of(scope).admission, 0)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, admission: AdmissionClass | None, size: int
    ) -> None:
        if admission is None:
            await self.app(scope, receive, send)
            return
        controller: AdmissionController = scope["app"].state.services.admission(admission)
        with ExitStack() as held:
            try:
                place = controller.admit()
                held.callback(place.release)
                if size:
                    held.enter_context(self._space.reserve(size))
            except Overloaded as error:
                log.warning("Overloaded: %s", error)
                await refuse(scope, receive, send, error)
                return
            scope["state"]["place"] = place
            await self.app(scope, receive, send)


def place_of(scope: Scope) -> Place:
    """The place that was taken for this request."""
    place: Place = scope["state"]["place"]
    return place
