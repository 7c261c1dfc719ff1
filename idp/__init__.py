"""The identity provider: OAuth 2.x authorization server, OpenID provider, accounts and login."""
