"""The orders API: what people buy."""
