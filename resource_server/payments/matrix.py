"""Who may do what with payments and webhooks: this service's rows of the permission matrix."""

from __future__ import annotations

from resource_server.api.permissions import Cells, Reach

READ = Cells(
    customer=Reach.OWN,
    support=Reach.MASKED,
    finance=Reach.ALL,
    admin=Reach.ALL,
    service=Reach.OWN,
    delegated=True,
)
CREATE = Cells(customer=Reach.OWN, service=Reach.OWN, delegated=True)
REVERSE = Cells(customer=Reach.OWN, delegated=True)
"""Giving back what a service asked for, for whom it did; its scope is no issuer's, so nobody asks for this directly."""
AUTHENTICATE = Cells(customer=Reach.OWN, service=Reach.OWN)
"""Where a payer proves at their bank who they are: whoever has the address may answer there, so staff never see it."""
CAPTURE = Cells(finance=Reach.ALL)
CANCEL = Cells(customer=Reach.OWN, finance=Reach.ALL)
REFUND = Cells(support=Reach.ALL, finance=Reach.ALL, admin=Reach.ALL)
"""How much of it is the refund's own rule: support up to a limit, finance above one with a second person, admin whatever it is."""
DECIDE = Cells(finance=Reach.ALL, admin=Reach.ALL)
"""Approving a refund of somebody else's, or not."""
WEBHOOKS = Cells(admin=Reach.ALL, service=Reach.OWN)
HEAR = Cells(service=Reach.ALL)
"""What orders tell. The scope for it is no issuer's: only services say it."""
OPERATE = Cells(finance=Reach.ALL, admin=Reach.ALL)
"""How the service is doing, and its dead letters."""
