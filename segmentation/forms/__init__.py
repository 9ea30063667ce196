"""The forms of the pages. They turn typed text into settings and other values; each error tells the user what to do."""
