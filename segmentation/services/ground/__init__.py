"""Modules that the other packages of services share: refusals, the queue, limits, stored files, and
the staff's log."""
