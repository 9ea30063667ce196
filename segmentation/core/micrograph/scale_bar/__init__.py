"""Finds and reads scale bars and data bars."""
