"""A loyalty-points service: points kept in lots, each with an expiry of its own."""

import os
import zoneinfo

# The machine's time zone data may be older than the locked package tzdata, and differs from one
# machine to the next: expiries would too. Whatever part of the program makes a zone comes after
# this, in every process.
zoneinfo.reset_tzpath(())
zoneinfo.ZoneInfo.clear_cache()

# Processes are forked only to run another program at once: a database server, a worker. gRPC would
# start threads of its own in the child, which abort it now and then (once in 400 times) because
# its files are closed by then. It reads this when it is first used.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
