"""File -> pixels and Calibration. Imports nothing, so that the web process need not load what decodes files."""
