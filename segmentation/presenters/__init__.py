"""What pages, API and admin show of the rows that the worker filled."""
