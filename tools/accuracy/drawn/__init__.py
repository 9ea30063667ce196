"""Measurements on drawn pictures and simulated laws, whose truth is known."""
