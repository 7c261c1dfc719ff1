"""The APIs behind the identity provider: users, orders and payments. They know an issuer's URL, an audience and scopes, and never import it."""
