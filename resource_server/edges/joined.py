"""Where the services of a process find each other."""

from __future__ import annotations

from resource_server.edges.faces import OrdersFace, PaymentsFace, Unreachable, UsersFace


class Edges:
    """Each face once its service is there; asking for one that is not raises `Unreachable`."""

    def __init__(self) -> None:
        self._users: UsersFace | None = None
        self._orders: OrdersFace | None = None
        self._payments: PaymentsFace | None = None

    def join(
        self, *, users: UsersFace | None = None, orders: OrdersFace | None = None, payments: PaymentsFace | None = None
    ) -> None:
        """Put in what is there."""
        self._users = users or self._users
        self._orders = orders or self._orders
        self._payments = payments or self._payments

    @property
    def users(self) -> UsersFace:
        if self._users is None:
            raise Unreachable("users")
        return self._users

    @property
    def orders(self) -> OrdersFace:
        if self._orders is None:
            raise Unreachable("orders")
        return self._orders

    @property
    def payments(self) -> PaymentsFace:
        if self._payments is None:
            raise Unreachable("payments")
        return self._payments
