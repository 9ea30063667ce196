"""Outlines of objects: made from the network's maps, corrected by people, and stored as label images."""
