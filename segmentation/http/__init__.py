"""What pages and API answer requests with alike: who may see what, errors, stored files."""
