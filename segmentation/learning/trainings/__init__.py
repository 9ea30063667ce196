"""Trainings on datasets, and the models that they make."""
