"""In place of Django's: dates such as 5 Nov 2026, which no reader takes for another, and a clock of 24 hours."""

DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = "j M Y, H:i"
