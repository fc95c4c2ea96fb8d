"""A loyalty-points service: points kept in lots, each with an expiry of its own."""

import zoneinfo

# The machine's time zone data may be older than the locked package tzdata, and differs from one
# machine to the next: expiries would too. Whatever part of the program makes a zone comes after
# this, in every process.
zoneinfo.reset_tzpath(())
zoneinfo.ZoneInfo.clear_cache()
