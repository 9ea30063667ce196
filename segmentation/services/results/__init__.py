"""Uploads, analyses, corrections, samples and their files."""
