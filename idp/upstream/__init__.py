"""Log in with others: providers that vouch for people, the way there and back, and which account here belongs to which there.

It speaks to Authlib's client side and to the room of people. It keeps no token of anybody's, and takes no address for proof unless told to.
"""
