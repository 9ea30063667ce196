"""Corrections of outlines by people."""
