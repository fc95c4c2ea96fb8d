"""What several parts of the service use: retries, caches, checks of the clock."""
