"""Servers as people start them: processes of their own, on free ports.

Tests of this folder may import `proxy`, the network of the service's tests.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import structlog
from tests.support.cli import servers
from tests.support.cli.servers import Running

from points_grpc.config import Settings, variable

START = "2022-01-01T00:00:00Z"

Serve = Callable[..., Running]


@pytest.fixture(autouse=True)
def process_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands set up logging and signals for a whole process, which here is that of the tests."""
    configure = structlog.configure

    def configure_anew(**given: Any) -> None:
        # A module's logger that is kept would go on to write to this test's output.
        configure(**given | {"cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", configure_anew)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    structlog.reset_defaults()
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings from whoever runs the tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts servers; those that still run at the end of the module are stopped."""
    with ExitStack() as left:

        def start(*arguments: str, **environment: str) -> Running:
            errors = tmp_path_factory.mktemp("serve") / "stderr"
            running = servers.start(arguments, environment, errors)
            left.callback(servers.end, running.process)
            return running

        yield start


@pytest.fixture(scope="module")
def demo_server(serve: Serve, module_database_url: str) -> Running:
    """A development server with the demo programs, its clock at the beginning of 2022."""
    running = serve(
        "--dev", "--demo", "--start-time", START, POINTS_DATABASE_URL=module_database_url
    )
    running.await_health("SERVING")
    return running
