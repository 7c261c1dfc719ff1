"""Webhooks by Standard Webhooks: who is told of events, with which keys, and the telling."""
