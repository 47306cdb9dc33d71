"""Run by Alembic, on the connection that `database.py` hands over."""

from alembic import context

from src.jobs.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="job_schema_version",
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
