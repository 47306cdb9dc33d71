"""Uploads and results in storage: none is lost, and none stays when its job is gone.

An object is entered in the database before it is stored, with a time at which it is to be deleted. The
transaction that gives it to a job moves that time. So whatever a crash leaves behind is found.
"""

from collections.abc import AsyncIterator, Sequence

from sqlalchemy import delete, insert, select, update

from src.errors import StorageUnavailable
from src.jobs.database import Database
from src.jobs.tables import objects
from src.storage.base import Storage
from src.storage.keys import new_key

PREFIX = "jobs/"
"""Begins the storage keys of uploads and results."""
_STORED_WITHIN = 24 * 3600.0
"""Seconds in which an object that was entered must have been stored and given to a job."""


class JobObjects:
    """The objects of jobs.

    Args:
        database: of jobs, open.
        storage: where they are.
    """

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database = database
        self.storage = storage

    async def expect(self, *keys: str) -> None:
        """Enter objects that are about to be stored. If no job takes them, they are deleted a day later."""
        async with self._database.write() as connection:
            until = self._database.now() + _STORED_WITHIN
            for key in keys:
                await connection.execute(insert(objects).values(key=key, delete_at=until))

    async def put(self, extension: str, chunks: AsyncIterator[bytes], content_type: str) -> str:
        """Store an object under a new key, which is returned."""
        key = PREFIX + new_key(extension)
        await self.expect(key)
        await self.storage.put(key, chunks, content_type)
        return key

    async def drop(self, key: str) -> None:
        """Have an object deleted that no job has taken."""
        async with self._database.write() as connection:
            await connection.execute(
                update(objects)
                .where(objects.c.key == key, objects.c.job_id.is_(None))
                .values(delete_at=self._database.now())
            )

    async def delete_due(self, limit: int) -> int:
        """Delete objects whose time has come, `limit` at most; how many there were.

        Raises:
            StorageUnavailable: one could not be deleted. It is tried again at the next call.
        """
        query = select(objects.c.key).where(objects.c.delete_at <= self._database.now()).limit(limit)
        async with self._database.read() as connection:
            due: Sequence[str] = (await connection.execute(query)).scalars().all()
        deleted: list[str] = []
        try:
            for key in due:
                await self.storage.delete(key)
                deleted.append(key)
        except StorageUnavailable:
            if not deleted:
                raise
        if deleted:
            async with self._database.write() as connection:
                await connection.execute(delete(objects).where(objects.c.key.in_(deleted)))
        return len(due)
