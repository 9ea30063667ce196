"""Datasets, synthesis, losses, training and evaluation; used only by commands, never by the web or a worker."""
