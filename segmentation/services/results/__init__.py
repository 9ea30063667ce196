"""Services for uploads, analyses, corrections, samples, methods and their files."""
