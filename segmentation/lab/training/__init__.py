"""Training and fine-tuning, for the site and for commands: datasets and their check, and how networks for each kind of
analysis are taught and scored."""
