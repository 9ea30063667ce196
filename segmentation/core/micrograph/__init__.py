"""Reads image files: pixels, facts and scale. Imports nothing here, so that the web process loads no decoders."""
