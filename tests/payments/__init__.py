"""Payments: the machine, the money, and what the worker does."""
