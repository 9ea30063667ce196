"""Formats for British English, the language of the site."""
