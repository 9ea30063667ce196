"""Formats of dates and times in place of Django's: dates such as 5 Nov 2026, which nobody can
misread, and 24 hours."""

DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = "j M Y, H:i"
