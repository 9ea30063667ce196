"""Cracks, a kind of analysis for DeepSegm."""
