"""Ports that several processes of one server share, and nobody else."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from points_grpc.config import joined_address, split_address


@contextmanager
def reserved(address: str) -> Iterator[str]:
    """Keep the port of `address` for processes that share ports, while the block runs.

    Gives the address with the port that was chosen where it was 0. Raises RuntimeError if
    anybody listens there already, also somebody who would share.
    """
    host, port = split_address(address)
    with ExitStack() as held:
        try:
            port = _reserve_all(held, host, port)
        except OSError as error:
            said = error.strerror or "cannot be used"
            raise RuntimeError(f"cannot listen on {address}: {said}") from None
        yield joined_address(host, port)


def _reserve_all(held: ExitStack, host: str, port: int) -> int:
    """Hold the port at every address of the host on this machine; return the port."""
    missing, well = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL)), False
    for family, _, _, _, at in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            port, well = _reserve(held, family, at[0], port), True
        except OSError as error:
            # localhost may have an address that is not there.
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
    if not well:
        raise missing
    return port


def _reserve(held: ExitStack, family: int, host: str | int, port: int) -> int:
    """Hold a socket that does not listen; return its port."""
    with socket.socket(family, socket.SOCK_STREAM) as alone:
        if family == socket.AF_INET6:
            alone.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind((host, port))
        alone.listen(1)  # which nobody can who is not alone
        # From here on this one would share, so that the next one can, before it goes.
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
        if family == socket.AF_INET6:
            holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        port = int(alone.getsockname()[1])
        holder.bind((host, port))
    return port
