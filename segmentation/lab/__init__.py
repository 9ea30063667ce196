"""The laboratory: code that trains and scores networks.

`training` is used by commands and by the site: datasets and their check, training, fine-tuning, scores. `research` is
used by commands only: comparisons of trainings, reports, rendered datasets, CycleGAN. `research` imports `training`;
`training` must not import `research`.
"""
