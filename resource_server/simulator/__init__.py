"""A payment provider to try things with: charges by idempotency key, and everything a real one does wrong, by magic sums."""
