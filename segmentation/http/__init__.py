"""What pages and the API have in common: who may see what, answers to errors, stored files as responses."""
