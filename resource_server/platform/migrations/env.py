"""Alembic's entry: runs the migrations on the connection it is handed, inside that connection's transaction."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, render_as_batch=True, target_metadata=context.config.attributes.get("metadata")
)
context.run_migrations()
