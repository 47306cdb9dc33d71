"""Files of the local storage, behind signed links that expire. They need no API key but the signature."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from src.api.dependencies import ServicesDep
from src.api.errors import problems
from src.errors import NotFound
from src.storage.local import LocalStorage

router = APIRouter(prefix="/files", tags=["files"])


@router.get(
    "/{key:path}",
    summary="Fetch an audio file by its signed link",
    response_class=FileResponse,
    responses=problems(403, 404, 422) | {200: {"description": "The audio", "content": {"audio/*": {}}}},
)
async def get_file(
    services: ServicesDep,
    key: str,
    expires: Annotated[int, Query(description="Unix time at which the link stops working.")],
    signature: Annotated[str, Query(description="Proof that this server made the link.")],
) -> FileResponse:
    """What the `url` of `POST /tts` points to when storage is a local folder."""
    if not isinstance(services.storage, LocalStorage):
        raise NotFound("this server keeps its files in S3; use the presigned URL")
    found = await services.storage.open(key, expires, signature)
    return FileResponse(
        found.path, media_type=found.content_type, headers={"Cache-Control": "private, max-age=3600"}
    )
