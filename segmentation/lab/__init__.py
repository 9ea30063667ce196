"""How a network learns. `training` is what a site reaches, too: datasets and their check, training, fine-tuning,
scores. `research` is for the shell alone: comparisons, reports, rendered sets, CycleGAN. It imports `training`, never
the other way."""
