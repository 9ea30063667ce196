"""Code that pages and the API share: checks of access, answers to errors, stored files as responses."""
