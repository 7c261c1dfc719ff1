"""The users API: a read copy of people, kept by the identity provider's pushed events."""
