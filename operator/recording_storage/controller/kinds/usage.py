"""Who uses what at the store: the settings, and the uploaders that live."""

from recording_storage.controller.kinds.accounts import Access, internal_verdict
from recording_storage.controller.stores.errors import StoreFailure
from recording_storage.domain.states import Product
from recording_storage.protocol.accounts import UploaderInfo


def products(access: Access) -> tuple[Product, ...]:
    """Those whose settings the store's API has: the hosted service keeps voice's in its console only."""
    return (Product.VOICE, Product.VIDEO) if access.internal is not None else (Product.VIDEO,)


async def sids_in_settings(access: Access, *, flag: str, name: str) -> frozenset[str]:
    """The sids under `name` of all settings whose `flag` is on. Raises store failures."""
    found = set()
    for product in products(access):
        values = (await access.store.settings(product)).values
        if getattr(values, flag) and getattr(values, name):
            found.add(getattr(values, name))
    return frozenset(found)


async def live_uploaders(access: Access) -> tuple[UploaderInfo, ...] | None:
    """The uploaders that live; None at a hosted service, which doesn't tell."""
    if access.internal is None:
        return None
    try:
        return tuple(each for each in await access.internal.uploaders(access.sid) if each.live)
    except StoreFailure as error:
        raise internal_verdict(error, access.internal) from error


async def spools_behind(access: Access) -> tuple[str, ...]:
    """Spools of live uploaders that have recordings for other destinations than the present settings'."""
    uploaders = await live_uploaders(access)
    if access.internal is None or not uploaders:
        return ()
    try:
        states = [await access.internal.settings_state(access.sid, product) for product in products(access)]
    except StoreFailure as error:
        raise internal_verdict(error, access.internal) from error
    present = {state.destination_id for state in states}
    return tuple(
        each.spool_id for each in uploaders if set(each.report.needed_destinations.get(access.sid, ())) - present
    )
