"""What the services share at their edge: operations, problems, money, pages, idempotency."""
