"""The control charts of methods and their points."""
