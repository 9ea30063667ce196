"""The methods of a laboratory and their versions."""
