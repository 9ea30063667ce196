"""The outline of each object as polygons with vertices between pixels."""
