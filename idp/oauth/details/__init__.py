"""Rich authorization requests (RFC 9396): registered types of details, what they say in words, and when one is narrower than another."""
