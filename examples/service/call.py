"""A service that calls an API for itself: client credentials, then one call.

IDP=http://127.0.0.1:8000 API=http://127.0.0.1:8001 CLIENT_ID=... CLIENT_SECRET=... python examples/service/call.py
"""

from __future__ import annotations

import os

from authlib.integrations.requests_client import OAuth2Session


def main() -> None:
    """Get a token for the API and list the service's own payments."""
    idp, api = os.environ["IDP"], os.environ["API"]
    session = OAuth2Session(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
    token = session.fetch_token(f"{idp}/oauth/token", grant_type="client_credentials", resource=api)
    print(f"a token for {token['scope']}, good for {token['expires_in']} s")
    made = session.post(f"{api}/v1/payments", json={"amount": "9.99", "currency": "EUR"}, timeout=10)
    print(made.status_code, made.json())
    listed = session.get(f"{api}/v1/payments", timeout=10)
    print(listed.status_code, listed.json()["total"], "payments")


if __name__ == "__main__":
    main()
