"""The PDF reports, the endpoint record and their parts."""
