"""Labels: outlines made from probability maps, corrected by hand, and stored."""
