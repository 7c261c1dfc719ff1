"""How fast and how small: the real server under load, side by side with a peer."""
