"""The GAN route: a U-Net is trained on synthetic micrographs, without labelled images (command `train_gan`).

Ruehle, Krumrey & Hodoroaba, Sci Rep 11, 4942 (2021). Stages: outlines, masks, CycleGAN, translation, U-Net.
"""
