"""How objects lie to each other."""
