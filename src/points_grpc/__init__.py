"""A loyalty-points service: points kept in lots, each with an expiry of its own."""
