"""The options of `operator` for what it keeps in its namespace: the store's certificate and master key."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from recording_storage.cli.duration import Duration

if TYPE_CHECKING:
    from recording_storage.controller.trust.keeper import TrustOptions
    from recording_storage.controller.trust.master_key import MasterKeyOptions

_OPTIONS = (
    click.option(
        "--internal-ca",
        metavar="NAME",
        default="",
        help="Keep an internal authority in the Secret NAME, and whom to trust in the ConfigMap NAME, both beside the "
        "Lease.  [default: certificates are somebody else's]",
    ),
    click.option(
        "--ca-config-map",
        metavar="NAME",
        default="",
        help="Publish what --ca-file holds by this ConfigMap beside the Lease, for injected uploaders.",
    ),
    click.option(
        "--serving-secret",
        metavar="NAME",
        default="",
        help="Keep the bundled store's certificate, signed by the internal authority, in this Secret.",
    ),
    click.option(
        "--serving-name",
        "serving_names",
        metavar="HOST",
        multiple=True,
        help="A name or address of the bundled store, for its certificate; repeatable.",
    ),
    click.option(
        "--ca-life", type=Duration(), default="3650d", show_default=True, help="How long an authority is valid."
    ),
    click.option(
        "--certificate-life",
        type=Duration(),
        default="90d",
        show_default=True,
        help="How long the store's certificate is valid; a third of an authority's life at most. Both are renewed "
        "before two thirds of it are over.",
    ),
    click.option(
        "--master-key-secret",
        metavar="NAME",
        default="",
        help="The Secret with the bundled store's master key, beside the Lease; its loss is told.",
    ),
    click.option(
        "--store-claim", metavar="NAME", default="", help="The claim of the store's data, to which the key belongs."
    ),
    click.option(
        "--make-master-key",
        is_flag=True,
        help="Make the Secret where there is none, once: never for a claim that one was made for before.",
    ),
)


def trust_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclass(frozen=True, kw_only=True)
class TrustSettings:
    """The options, as click gives them."""

    internal_ca: str
    ca_config_map: str
    serving_secret: str
    serving_names: tuple[str, ...]
    ca_life: float
    certificate_life: float
    master_key_secret: str
    store_claim: str
    make_master_key: bool

    def fault(self) -> str:
        """What does not fit together; empty: nothing."""
        if len({bool(self.internal_ca), bool(self.serving_secret), bool(self.serving_names)}) > 1:
            return "--internal-ca, --serving-secret and --serving-name belong together"
        if self.certificate_life < 1 or self.certificate_life * 3 > self.ca_life:
            return "--certificate-life: at least a second, and no more than a third of --ca-life"
        if bool(self.master_key_secret) != bool(self.store_claim):
            return "--master-key-secret and --store-claim belong together"
        if self.make_master_key and not self.master_key_secret:
            return "--make-master-key wants --master-key-secret and --store-claim"
        return ""

    def trust(self) -> "TrustOptions | None":
        from recording_storage.controller.trust.keeper import TrustOptions  # noqa: PLC0415 - the help needs none of it

        if not self.internal_ca:
            return None
        return TrustOptions(
            authority=self.internal_ca,
            serving=self.serving_secret,
            hosts=self.serving_names,
            authority_life=timedelta(seconds=self.ca_life),
            serving_life=timedelta(seconds=self.certificate_life),
        )

    def master_key(self) -> "MasterKeyOptions | None":
        from recording_storage.controller.trust.master_key import MasterKeyOptions  # noqa: PLC0415 - as above

        if not self.master_key_secret:
            return None
        return MasterKeyOptions(secret=self.master_key_secret, claim=self.store_claim, make=self.make_master_key)
