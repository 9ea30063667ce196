"""The figure of a result, with its panels and charts."""
