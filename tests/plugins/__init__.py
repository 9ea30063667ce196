"""Three plug-ins for DeepSegm, each a wheel of its own, and the tests that they work."""
