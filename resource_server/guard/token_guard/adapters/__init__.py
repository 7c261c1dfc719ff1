"""Adapters to web frameworks; each is imported only by those who use it."""
