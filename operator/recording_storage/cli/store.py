"""`recording-storage store`: both ports of the settings store, and the commands beside it."""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from recording_storage.cli.account import check_account
from recording_storage.cli.errors import Failure
from recording_storage.cli.kubeconfig import check_kubeconfig
from recording_storage.domain.amounts import counted
from recording_storage.domain.policy import OwnStorage
from recording_storage.domain.system_errors import plain_reason
from recording_storage.store.certificates import CertificateError
from recording_storage.store.config import ConfigError, StoreConfig, load_config
from recording_storage.store.context import Store, open_database, open_store
from recording_storage.store.database.engine import Database, DatabaseUnavailableError, DatabaseUrlError, place_of
from recording_storage.store.database.migrate import MigrationError, is_new, migrate, newest_revision
from recording_storage.store.errors import StoreError
from recording_storage.store.secrets_box import MasterKeyError, SealedSecretError
from recording_storage.store.server import ListenError, Listeners, Listening

_PATH = click.Path(path_type=Path)
_WRONG_USE = (CertificateError, ConfigError, DatabaseUrlError, MasterKeyError, StoreError)
"""What is given can't be used, whatever the state of the world; StoreError: a value that the API would refuse, too."""
_FAILURES = (DatabaseUnavailableError, ListenError, MigrationError, SealedSecretError)

_DATABASE = click.option(
    "--database", metavar="URL", help="sqlite:///FILE, or postgresql://USER@HOST/NAME.  [default: sqlite:///store.db]"
)
_KEY = click.option(
    "--master-key-file", type=_PATH, metavar="FILE", help="The key that seals stored secrets.  [required]"
)
_CREATE_KEY = click.option(
    "--create-master-key", is_flag=True, default=None, help="Make the master key file when it is absent."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(invoke_without_command=True)
@click.option(
    "--listen", metavar="HOST:PORT", help="The public API; port 0 takes any free one.  [default: 127.0.0.1:8080]"
)
@click.option(
    "--internal-listen", metavar="HOST:PORT", help="The uploaders' and the operator's API.  [default: 127.0.0.1:8081]"
)
@_DATABASE
@_KEY
@_CREATE_KEY
@click.option("--media", type=_PATH, metavar="DIR", help="Media made while external storage is off.  [default: media]")
@click.option(
    "--allow-endpoint",
    multiple=True,
    metavar="URL",
    help="An S3-compatible endpoint that settings may name; repeatable.",
)
@click.option(
    "--tls-cert", type=_PATH, metavar="FILE", help="Certificate chain of the public port.  [default: plain http]"
)
@click.option("--tls-key", type=_PATH, metavar="FILE", help="Its private key.")
@click.option(
    "--internal-tls-cert",
    type=_PATH,
    metavar="FILE",
    help="Certificate chain of the internal port; needed unless that is on loopback.",
)
@click.option("--internal-tls-key", type=_PATH, metavar="FILE", help="Its private key.")
@click.option(
    "--operator-service-account", metavar="NAMESPACE:NAME", help="Whom the internal API takes for the operator."
)
@click.option(
    "--kubeconfig",
    type=_PATH,
    metavar="FILE",
    help="The cluster that checks service accounts' tokens.  [default: the one it runs in, if any]",
)
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Serve the settings store: the public REST API and, on a second port, the uploaders' side.

    Every option can also be set in the environment, e.g. RECORDING_STORAGE_MASTER_KEY_FILE.
    Once both ports are taken it prints {"listening": {"public": URL, "internal": URL}}.

    Exit codes: 0 ended as asked, 1 failed (a port is taken, the database does not answer), 2 wrong use.
    """
    options["allow_endpoint"] = options["allow_endpoint"] or None
    ctx.obj = options
    if ctx.invoked_subcommand is None:
        with _failures():
            _serve(load_config(**options))


@command.command("migrate", short_help="Bring the database's tables to this version.")
@_DATABASE
@click.pass_obj
def migrate_command(group: dict[str, Any], /, database: str | None) -> None:
    """Bring the database's tables to this version, or make them; `store` does so at its start, too.

    Exit codes: 0 done, 1 failed, 2 wrong use.
    """
    with _failures(), _opened_database(group, database) as opened:
        new = is_new(opened)
        migrate(opened)
        _tell_new(opened, new=new)
        click.echo(f"the database is at revision {newest_revision()}")


@command.command("create-account", short_help="Open an account.")
@_DATABASE
@_KEY
@_CREATE_KEY
@click.option("--friendly-name", required=True, metavar="NAME", help="The account's name for people.")
@click.option(
    "--no-own-storage",
    is_flag=True,
    help="Recordings wait on their spools while external storage is off, instead of coming to the store.",
)
@_JSON
@click.pass_obj
def create_account_command(
    group: dict[str, Any],
    /,
    friendly_name: str,
    no_own_storage: bool,  # noqa: FBT001 - click's
    as_json: bool,  # noqa: FBT001 - click's
    **options: Any,
) -> None:
    """Open an account; its auth token is shown once.

    It may be a new store's first command: where there is no database yet, it makes one, and says so.

    JSON fields: account_sid, auth_token.

    Exit codes: 0 done, 1 failed, 2 wrong use.
    """
    from recording_storage.store.services.accounts import create_account  # noqa: PLC0415 - the help needs none of it

    with _failures(), _opened_store(group, options) as store:
        own_storage = OwnStorage.WITHHELD if no_own_storage else OwnStorage.ALLOWED
        new = create_account(store, friendly_name=friendly_name, own_storage=own_storage)
    answer = {"account_sid": new.sid, "auth_token": new.auth_token}
    click.echo(json.dumps(answer) if as_json else f"account {new.sid}\nauth token {new.auth_token}")


@command.command("create-token", short_help="Make a bearer token for the internal API.")
@_DATABASE
@_KEY
@_CREATE_KEY
@click.option("--account", metavar="AC…", help="For the uploaders of this account.")
@click.option("--admin", is_flag=True, help="For the operator.")
@_JSON
@click.pass_obj
def create_token_command(
    group: dict[str, Any],
    /,
    account: str | None,
    admin: bool,  # noqa: FBT001 - click's
    as_json: bool,  # noqa: FBT001 - click's
    **options: Any,
) -> None:
    """Make a bearer token for the internal API; it is shown once.

    With --admin it may be a new store's first command: where there is no database yet, it makes one, and says so.

    JSON fields: token.

    Exit codes: 0 done, 1 failed (there is no such account), 2 wrong use.
    """
    from recording_storage.store.tokens import UnknownAccountError, create_token  # noqa: PLC0415 - as above

    if bool(account) == admin:
        raise click.UsageError("give either --account AC… or --admin")
    check_account(account)
    with _failures(), _opened_store(group, options, begun=not admin) as store:
        try:
            with store.database.write() as session:
                token = create_token(session, account_sid=account)
        except UnknownAccountError as error:
            raise Failure(str(error)) from None
    click.echo(json.dumps({"token": token}) if as_json else token)


@command.command("reseal", short_help="Seal every stored secret with the first key.")
@_DATABASE
@_KEY
@click.pass_obj
def reseal_command(group: dict[str, Any], /, **options: Any) -> None:
    """Seal every stored secret with the first key of the master key file, so that older keys can be removed.

    Exit codes: 0 done, 1 failed, 2 wrong use.
    """
    from recording_storage.store.services.resealing import reseal  # noqa: PLC0415 - as above

    with _failures(), _opened_store(group, options, begun=True) as store:
        count = reseal(store)
    click.echo(f"sealed with the first key now: {counted(count, 'secret')}; the others already were")


def _serve(config: StoreConfig) -> None:
    from recording_storage.store.app import create_public_app  # noqa: PLC0415 - the help needs none of it
    from recording_storage.store.internal.app import create_internal_app, release_waiting  # noqa: PLC0415
    from recording_storage.store.internal.kube_identity import has_cluster  # noqa: PLC0415

    if config.kubeconfig is not None:
        check_kubeconfig(config.kubeconfig, named=f"--kubeconfig {config.kubeconfig}")
    if config.operator_service_account and not has_cluster(config.kubeconfig):
        click.echo(
            f"recording-storage: --operator-service-account {config.operator_service_account} lets nobody in, since no "
            "cluster can be asked about its token: give --kubeconfig FILE, or run the store in the cluster; or leave "
            "it out, and give the operator a token of `store create-token --admin`",
            err=True,
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for talkative in ("uvicorn", "alembic"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    listeners = Listeners(config)
    with _closing(open_store(config)) as store:
        _tell_new(store.database, new=store.is_new)
        internal = create_internal_app(store)
        asyncio.run(
            listeners.serve(
                public=create_public_app(store),
                internal=internal,
                on_listening=_announce,
                on_stop=lambda: release_waiting(internal),
            )
        )


def _announce(listening: Listening) -> None:
    click.echo(json.dumps({"listening": asdict(listening)}))


@contextmanager
def _opened_store(group: dict[str, Any], options: dict[str, Any], *, begun: bool = False) -> Iterator[Store]:
    """The store without its ports; options may stand before or behind the sub-command's name.

    `begun`: what is to be done makes no sense in a new database.
    """
    given = {name: value for name, value in options.items() if value is not None}
    with _closing(open_store(load_config(**group | given), media=False, begun=begun)) as store:
        _tell_new(store.database, new=store.is_new)
        yield store


def _tell_new(database: Database, *, new: bool) -> None:
    """On standard error: who has mistyped a path sees it."""
    if new:
        click.echo(f"recording-storage: made a new database, {place_of(database.url)}", err=True)


@contextmanager
def _opened_database(group: dict[str, Any], url: str | None) -> Iterator[Database]:
    """The database alone: migrating needs no master key."""
    options = {"database": url or group["database"], "master_key_file": Path()}
    database = open_database(load_config(**options).database.get_secret_value()).database
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _closing(store: Store) -> Iterator[Store]:
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _failures() -> Iterator[None]:
    """Show what an operator can mend as one line; anything else is a defect and keeps its traceback."""
    try:
        yield
    except _WRONG_USE as error:
        raise click.UsageError(str(error)) from None
    except _FAILURES as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{error.filename or 'the store'}: {plain_reason(error)}") from None
