"""Labels -> tables, statistics, filters with reasons."""

from . import descriptors as descriptors  # they add their quantities to the registry
