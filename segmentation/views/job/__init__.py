"""The page of a job, with its parts and forms."""
