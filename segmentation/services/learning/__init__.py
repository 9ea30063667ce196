"""Datasets, trainings and the models that they give."""
