"""The stages of an analysis, in the order of `pipeline`: preparation, maps, search, measuring."""
