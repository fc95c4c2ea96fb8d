"""What Alembic runs: each migration in a transaction of its own, on the url it was given."""

from alembic import context

from points_grpc.storage.core.connecting import connect, make_engine
from points_grpc.storage.tables import metadata


def run() -> None:
    """Run the migrations that were asked for."""
    with connect(make_engine(context.config.attributes["url"])) as connection:
        context.configure(
            connection=connection, target_metadata=metadata, transaction_per_migration=True
        )
        with context.begin_transaction():
            context.run_migrations()


run()
