"""Who may do what with people: this service's rows of the permission matrix."""

from __future__ import annotations

from resource_server.api.permissions import Cells, Reach

READ = Cells(customer=Reach.OWN, support=Reach.ALL, admin=Reach.ALL, delegated=True)
"""A service reads for the person whose token it exchanged, and nobody for itself."""
SELF = Cells(
    customer=Reach.OWN, support=Reach.OWN, finance=Reach.OWN, admin=Reach.OWN, service=Reach.OWN, delegated=True
)
"""One's own record, whatever one does here; a service has none."""
LIST = Cells(support=Reach.ALL, admin=Reach.ALL, delegated=True)
DELIVER = Cells(service=Reach.ALL)
"""To whom something is sent, for services whom the operator gave the scope for it."""
CHANGE = Cells(customer=Reach.OWN, admin=Reach.ALL)
