"""Synthetic pictures for trainings: a renderer of particles on a substrate (as height fields), and composites of real
particles, both with exact labels of all visible particles."""
