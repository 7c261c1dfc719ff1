"""What the command line does with types of authorization details; it loads the schema library, which servers do only where it is used."""

from __future__ import annotations

from idp.oauth.details.admin import DetailsTypeAdmin
from idp.wiring import House


def details_type_admin(house: House) -> DetailsTypeAdmin:
    return DetailsTypeAdmin(house.database, house.audit, house.resources.find)
