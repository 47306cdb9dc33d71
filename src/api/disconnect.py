"""Cancels the work of a request when its caller disconnects."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from src.api.errors import ClientGone

T = TypeVar("T")


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Await `work`, and cancel it if the caller closes the connection first.

    Starlette watches the connection of a streamed response, but not that of a handler that returns a value.
    Such a handler would finish its work with nobody to receive it. The body must have been read already.

    Raises:
        ClientGone: the caller left; `work` was cancelled and has ended.
    """
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_closed(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _closed(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
