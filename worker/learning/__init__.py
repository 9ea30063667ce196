"""The work on datasets and trainings."""
