"""The laboratory: everything by which networks are trained and scored.

`training` is what the site uses, too: datasets and their check, training, fine-tuning, scores. `research` is used from
the shell alone: comparisons of trainings, reports, rendered sets, CycleGAN. `research` imports `training`, never the
other way.
"""
