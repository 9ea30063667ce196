"""The measures of shape, and the classes of shape."""
