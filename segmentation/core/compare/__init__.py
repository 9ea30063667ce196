"""Two results side by side: differences with their intervals, distance of the distributions, agreement of objects."""
