"""Masks and labels that other tools or people made, and folders of them."""
