"""The science: numpy in, numpy out. No Django, no Celery, no paths but those it is given."""
