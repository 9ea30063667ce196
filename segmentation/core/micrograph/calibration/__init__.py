"""The scale of an image: its sources, and whether they agree."""
