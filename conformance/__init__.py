"""Runs the OpenID Foundation's conformance suite against this identity provider; see README.md."""
