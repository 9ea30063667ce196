"""Child processes that read untrusted files: they confine themselves first, and are forked or started."""
