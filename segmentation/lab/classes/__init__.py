"""What is particular to classes: every pixel belongs to one of some, and is scored so."""
