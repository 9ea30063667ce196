"""The reference materials of an account and its groups."""
