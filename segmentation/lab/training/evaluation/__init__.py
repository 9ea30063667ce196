"""Measures how good a model is: predictions for images with truth, and their scores."""
