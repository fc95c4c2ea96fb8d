"""A PostgreSQL of our own, so that a fresh machine needs nothing installed."""

from points_grpc.storage.embedded.durability import NotDurable, assert_durable
from points_grpc.storage.embedded.place import EmbeddedPostgresError
from points_grpc.storage.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "NotDurable", "assert_durable"]
