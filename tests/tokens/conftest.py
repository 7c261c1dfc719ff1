"""The database of these tests is emptied between them, not made anew."""

from tests.support.reused import database_url, reused_postgres

__all__ = ["database_url", "reused_postgres"]
