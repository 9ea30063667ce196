"""Turns rows of the database into the numbers, words and small charts that pages, API and admin show."""
