"""Who may do what with orders: this service's rows of the permission matrix."""

from __future__ import annotations

from resource_server.api.permissions import Cells, Reach

READ = Cells(
    customer=Reach.OWN,
    support=Reach.ALL,
    finance=Reach.ALL,
    admin=Reach.ALL,
    service=Reach.OWN,
    delegated=True,
)
CREATE = Cells(customer=Reach.OWN, admin=Reach.ALL, service=Reach.OWN)
CHANGE = Cells(customer=Reach.OWN, admin=Reach.ALL, service=Reach.OWN)
CHECKOUT = Cells(customer=Reach.OWN, service=Reach.OWN)
"""Nobody pays with what is another's."""
CANCEL = Cells(customer=Reach.OWN, support=Reach.ALL, admin=Reach.ALL, service=Reach.OWN)
FULFIL = Cells(support=Reach.ALL, admin=Reach.ALL)
"""What was paid is sent out by staff."""
SEE_FULFILMENT = Cells(customer=Reach.OWN, support=Reach.ALL, admin=Reach.ALL, service=Reach.OWN, delegated=True)
"""It tells where somebody lives: for who may read people."""
HEAR = Cells(service=Reach.ALL)
"""What payments tell. The scope for it is no issuer's: only services say it."""
