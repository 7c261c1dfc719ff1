"""The protocol: clients, requests, consent, grants and endpoints, checked by Authlib where it checks well.

Owns the tables `clients`, `resources`, `consents`, `authorizations`, `codes` and `assertions`. The only floor that imports authlib's server side.
"""
