"""The tables. `migrations` brings a database of an earlier release to this state."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = "0001"
"""The last revision in `migrations`, which leads to these tables."""

metadata = MetaData()

schema_version = Table(
    "job_schema_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="job_schema_version_pkc"),
)
"""One row: the revision of the tables. Its form is Alembic's."""

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("batch_id", String(64)),
    Column("submission_id", String(64)),
    Column("priority", Integer, nullable=False),
    Column("turn", BigInteger, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("callback_url", Text),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("expires_at", Double),
    Column("attempts", Integer, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("lease_token", String(64)),
    Column("lease_expires", Double),
    Column("done_seconds", Double, nullable=False),
    Column("total_seconds", Double),
    Column("result", JSON),
    Column("error", JSON),
    Index("jobs_by_turn", "state", "priority", "turn", "id"),
    Index("jobs_by_state_and_turn", "state", "turn"),
    Index("jobs_by_owner", "owner", "id"),
    Index("jobs_by_owner_and_state", "owner", "state", "turn"),
    Index("jobs_by_batch", "batch_id", "id"),
    Index("jobs_by_submission", "submission_id"),
    Index("jobs_by_lease", "state", "lease_expires"),
    Index("jobs_by_end", "state", "ended_at"),
    Index("jobs_by_age", "state", "created_at"),
    Index("jobs_by_expiry", "expires_at"),
)

checkpoints = Table(
    "job_checkpoints",
    metadata,
    Column("job_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("data", JSON, nullable=False),
)
"""What a transcription has finished, chunk by chunk."""

submissions = Table(
    "job_submissions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("idempotency_key", String(255), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("batch_id", String(64)),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("owner", "idempotency_key", name="one_submission_for_each_key"),
)
"""Requests that came with an Idempotency-Key."""

objects = Table(
    "job_objects",
    metadata,
    Column("key", String(600), primary_key=True),
    Column("job_id", String(64)),
    Column("delete_at", Double),
    Index("objects_by_job", "job_id"),
    Index("objects_by_deletion", "delete_at"),
)
"""Uploads and results in storage. Each is entered before it is stored, so that nothing stays by mistake."""

callbacks = Table(
    "job_callbacks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("job_id", String(64), nullable=False),
    Column("owner", String(128), nullable=False),
    Column("url", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("next_at", Double),
    Column("lease_token", String(64)),
    Column("attempts", JSON, nullable=False),
    Index("callbacks_by_job", "job_id"),
    Index("callbacks_by_time", "state", "next_at"),
)

secrets = Table(
    "job_secrets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", String(128), nullable=False),
)
