"""The GAN route of Ruehle, Krumrey & Hodoroaba, Sci Rep 11, 4942 (2021): outlines, masks, translation, U-Net."""
