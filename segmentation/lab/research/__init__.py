"""For the shell alone: comparisons of trainings, reports, fits, rendered and tiled sets, feature maps, CycleGAN."""
