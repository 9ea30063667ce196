"""What every room of the services stands on: refusals, queue, limits, permissions, files, scales."""
