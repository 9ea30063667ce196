"""Used by commands only: comparisons of trainings, reports, fits, rendered and tiled datasets, feature maps,
CycleGAN."""
