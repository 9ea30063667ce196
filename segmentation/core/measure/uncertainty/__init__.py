"""Intervals of figures, of one image and of several, and the uncertainty budget."""
