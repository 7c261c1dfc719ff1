"""Tokens and the keys that sign them: minting, reading, families of refresh tokens, revocation.

Owns the tables `signing_keys`, `grants`, `refresh_tokens` and `revocations`. Knows nothing of people or clients but their ids.
"""
