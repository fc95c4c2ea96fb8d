"""Databases for tests: one server per run, one fresh database per test.

The server is an embedded one with durable settings, unless POINTS_TEST_DATABASE_URL names
another (an SQLAlchemy URL whose role may create databases). The process that was started first
owns it: under pytest-xdist that is the controller, which outlives its workers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    NullPool,
    column,
    create_engine,
    func,
    make_url,
    select,
    table,
)
from tests.support import tenant_isolation

from points_grpc.storage.embedded import EmbeddedPostgres

_WORKER_KEY = "points_run"


_MEMORY = Path("/dev/shm")
_MEMORY_BYTES_MIN = 4 * 2**30


def _memory_folder() -> Path | None:
    """Return a folder in memory with room for a run's databases; None: the usual one.

    Each test copies a database of 9 MB and drops it, which takes a quarter of the time there. The
    settings stay durable: what a test asserts about a killed server holds in memory, too.
    """
    try:
        has_room = shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES_MIN
    except OSError:
        return None
    return _MEMORY if has_room and os.access(_MEMORY, os.W_OK) else None


class _Run:
    """The server of one run of the tests, started when first asked for."""

    def __init__(self, name: str, url: str | None) -> None:
        self.template = f"points_template_{name}"
        self._name = name
        self._url = url
        self._left = ExitStack()
        self._is_external = True
        self._used = False

    @property
    def url(self) -> str:
        self._used = True
        if self._url is None:
            folder = Path(tempfile.mkdtemp(prefix="points-tests-", dir=_memory_folder()))
            folder.chmod(0o711)  # root's server runs as another user
            self._left.callback(shutil.rmtree, folder, ignore_errors=True)
            server = EmbeddedPostgres(folder)
            server.start()
            self._left.callback(shutil.rmtree, server.folder, ignore_errors=True)
            self._left.callback(server.stop)
            self._url = server.url
            self._is_external = False
        return self._url

    def handed_to_worker(self) -> dict[str, str]:
        return {"name": self._name, "url": self.url}

    def close(self) -> None:
        if self._url is not None and self._used and self._is_external:
            with _administrator(self._url) as connection:
                _drop(connection, self.template)
        self._left.close()


_RUN = pytest.StashKey[_Run]()


def pytest_configure(config: pytest.Config) -> None:
    """Tell every process of the run which server to use, and watch what it is asked."""
    tenant_isolation.watch()
    if hasattr(config, "workerinput"):
        config.stash[_RUN] = _Run(**config.workerinput[_WORKER_KEY])
    else:
        config.stash[_RUN] = _Run(uuid.uuid4().hex[:12], os.environ.get("POINTS_TEST_DATABASE_URL"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Start the server in the controller, before its first worker."""
    node.workerinput[_WORKER_KEY] = node.config.stash[_RUN].handed_to_worker()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    if not hasattr(config, "workerinput") and _RUN in config.stash:
        config.stash[_RUN].close()


@pytest.fixture(autouse=True)
def every_statement_is_about_a_tenant() -> Iterator[None]:
    """Fails a test in which the project read or wrote facts without saying whose."""
    yield
    if found := list(dict.fromkeys(tenant_isolation.offenders)):
        tenant_isolation.offenders.clear()
        pytest.fail("about no tenant:\n" + "\n\n".join(found))


@pytest.fixture(scope="session")
def server_url(pytestconfig: pytest.Config) -> str:
    """The URL of a database on the run's server, by a role that may create databases."""
    return pytestconfig.stash[_RUN].url


@pytest.fixture(scope="session")
def template_database(pytestconfig: pytest.Config, server_url: str) -> str:
    """The name of a migrated database, made once per run, for copying."""
    name = pytestconfig.stash[_RUN].template
    databases = table("pg_database", column("datname"))
    with _administrator(server_url) as connection:
        # The workers of a run come here together.
        connection.execute(select(func.pg_advisory_lock(func.hashtext(name))))
        known = connection.scalar(select(databases).where(databases.c.datname == name))
        if known is None:
            _make_template(connection, server_url, name)
    return name


def _make_template(connection: Connection, server_url: str, name: str) -> None:
    # Here, so that a broken migration fails only the tests that need a schema.
    from points_grpc.storage.core.migrate import upgrade  # noqa: PLC0415

    draft = f"{name}_draft"
    _drop(connection, draft)
    connection.exec_driver_sql(f"CREATE DATABASE {draft}")
    upgrade(_url_of(server_url, draft))
    connection.exec_driver_sql(f"ALTER DATABASE {draft} RENAME TO {name}")


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """A fresh database without a schema."""
    with _fresh_database(server_url, "template1") as url:
        yield url


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """A fresh database with the schema of this release."""
    with _fresh_database(server_url, template_database) as url:
        yield url


@pytest.fixture
def other_database_url(server_url: str, template_database: str) -> Iterator[str]:
    """Another one like `database_url`, to compare with."""
    with _fresh_database(server_url, template_database) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(server_url: str, template_database: str) -> Iterator[str]:
    """Like `database_url`, shared by the tests of a module."""
    with _fresh_database(server_url, template_database) as url:
        yield url


@contextmanager
def _fresh_database(server_url: str, template: str) -> Iterator[str]:
    name = f"points_test_{uuid.uuid4().hex[:16]}"
    with _administrator(server_url) as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield _url_of(server_url, name)
    finally:
        with _administrator(server_url) as connection:
            _drop(connection, name)


@contextmanager
def _administrator(server_url: str) -> Iterator[Connection]:
    engine = create_engine(server_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


def _drop(connection: Connection, database: str) -> None:
    connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


def _url_of(server_url: str, database: str) -> str:
    return make_url(server_url).set(database=database).render_as_string(hide_password=False)
