"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("batch_id", sa.String(64)),
        sa.Column("submission_id", sa.String(64)),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("turn", sa.BigInteger, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("callback_url", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("expires_at", sa.Double),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("not_before", sa.Double, nullable=False),
        sa.Column("lease_token", sa.String(64)),
        sa.Column("lease_expires", sa.Double),
        sa.Column("done_seconds", sa.Double, nullable=False),
        sa.Column("total_seconds", sa.Double),
        sa.Column("result", sa.JSON),
        sa.Column("error", sa.JSON),
    )
    op.create_index("jobs_by_turn", "jobs", ["state", "priority", "turn", "id"])
    op.create_index("jobs_by_state_and_turn", "jobs", ["state", "turn"])
    op.create_index("jobs_by_owner", "jobs", ["owner", "id"])
    op.create_index("jobs_by_owner_and_state", "jobs", ["owner", "state", "turn"])
    op.create_index("jobs_by_batch", "jobs", ["batch_id", "id"])
    op.create_index("jobs_by_submission", "jobs", ["submission_id"])
    op.create_index("jobs_by_lease", "jobs", ["state", "lease_expires"])
    op.create_index("jobs_by_end", "jobs", ["state", "ended_at"])
    op.create_index("jobs_by_age", "jobs", ["state", "created_at"])
    op.create_index("jobs_by_expiry", "jobs", ["expires_at"])
    op.create_table(
        "job_checkpoints",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("data", sa.JSON, nullable=False),
    )
    op.create_table(
        "job_submissions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("idempotency_key", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("batch_id", sa.String(64)),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.UniqueConstraint("owner", "idempotency_key", name="one_submission_for_each_key"),
    )
    op.create_table(
        "job_objects",
        sa.Column("key", sa.String(600), primary_key=True),
        sa.Column("job_id", sa.String(64)),
        sa.Column("delete_at", sa.Double),
    )
    op.create_index("objects_by_job", "job_objects", ["job_id"])
    op.create_index("objects_by_deletion", "job_objects", ["delete_at"])
    op.create_table(
        "job_callbacks",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("next_at", sa.Double),
        sa.Column("lease_token", sa.String(64)),
        sa.Column("attempts", sa.JSON, nullable=False),
    )
    op.create_index("callbacks_by_job", "job_callbacks", ["job_id"])
    op.create_index("callbacks_by_time", "job_callbacks", ["state", "next_at"])
    op.create_table(
        "job_secrets",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(128), nullable=False),
    )


def downgrade() -> None:
    for table in (
        "job_secrets",
        "job_callbacks",
        "job_objects",
        "job_submissions",
        "job_checkpoints",
        "jobs",
    ):
        op.drop_table(table)
