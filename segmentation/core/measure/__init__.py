"""LabelImage and Calibration -> ParticleTable, statistics, filters with reasons."""
