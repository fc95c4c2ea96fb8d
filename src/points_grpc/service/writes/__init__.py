"""From a batch of commands to a committed change."""
