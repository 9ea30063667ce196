"""The processes of a worker and of the web server."""
