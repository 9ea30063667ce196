"""What all other packages of services need: refusals, the queue, limits, stored files, and the
staff's log."""
