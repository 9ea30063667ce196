"""Labels: how outlines are made from the network's maps, corrected by people, and stored."""
