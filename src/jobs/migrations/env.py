"""Run by Alembic, on the connection that `database.py` hands over."""

from alembic import context

from src.jobs.tables import metadata, schema_version

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=schema_version.name,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
