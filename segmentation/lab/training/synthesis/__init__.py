"""A height-field renderer of particles on a substrate, with exact labels of all visible particles."""
