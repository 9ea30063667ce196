"""Training as the site uses it: datasets and their check, training and fine-tuning, how each kind is taught and
scored."""
