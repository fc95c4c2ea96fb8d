"""points-grpc demo: a story told through the public API of a running server."""

from __future__ import annotations

from rich.console import Console

from points_grpc.cli import options
from points_grpc.cli.demo import story
from points_grpc.cli.demo.grpc_client import Refused, Service
from points_grpc.cli.demo.stage import CLOCK, Stage, take_the_stage


def demo(grpc: options.Grpc = None) -> None:
    """Play a story of points against a running server, and show what comes back.

    The figures are those of the examples in five loyalty vendors' API documents. The server
    must run with --dev and --demo. Can be played again and again: each time with members of
    its own, and in later years where the server's clock has moved on.
    """
    settings = options.settings(grpc=grpc)
    with Service(settings.grpc) as service:
        try:
            stage = _stage(service)
            for chapter in story.CHAPTERS:
                chapter(stage)
        except Refused as refused:
            name = refused.reason or refused.code
            options.fail(f"{settings.grpc}: {name}: {refused.message}")


def _stage(service: Service) -> Stage:
    if not service.offers(CLOCK):
        options.fail("the server has no test clock: start it with --dev (make run does)")
    return take_the_stage(service, Console(highlight=False, soft_wrap=False))
