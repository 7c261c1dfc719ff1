"""Outbound HTTP that cannot be turned against us: the name is resolved once, the address vetted and pinned, nothing is followed.

https only, special and private ranges refused unless allow-listed, no redirects, no proxies or credentials from the environment, a bound
on time and size. Used for everything a program fetches from or posts to an address somebody else chose.
"""

from vetted_http.answers import FetchError, Response
from vetted_http.client import Client

__all__ = ["Client", "FetchError", "Response"]
