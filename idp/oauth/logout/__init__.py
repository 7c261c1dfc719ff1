"""What apps are told when a session ends: a logout token to each (Back-Channel Logout 1.0), a frame to each (Front-Channel Logout 1.0).

A delivery is written, and its job with it, in the transaction that ends the session. The log of deliveries is for the operator.
"""
