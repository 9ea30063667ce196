"""The science: arrays in, arrays out. It uses neither Django nor Celery, and only the paths that it is given."""
