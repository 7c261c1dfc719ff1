"""People: accounts, passwords, browser sessions and the pages they log in through.

Owns the tables `users`, `sessions` and `devices`. Knows nothing of OAuth: who asks for a login arrives as a `LoginContext`.
What happens to a person leaves as the event `PersonChanged`.
"""
