"""Outlines of particles, by region merging."""
