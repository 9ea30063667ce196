"""The nano card: the fraction from 1 to 100 nm, and what a recommendation asks of it."""
