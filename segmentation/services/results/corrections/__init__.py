"""Corrections of a result: edits, steps, versions, their log, signatures."""
