"""Probability maps -> LabelImage."""
