"""OpenAPI documents (3.1.1), made from the declarations that enforce: what they say is what is checked."""
