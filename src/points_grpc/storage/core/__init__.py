"""The connection to PostgreSQL: how statements run, in what order, and what its errors mean."""
