"""What people are shown and asked: examples, doubts, possible cuts, similar objects."""
