"""A database that is locked or away: 503 with Retry-After, nothing acknowledged is lost, and recovery without a hand."""
