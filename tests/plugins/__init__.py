"""Three wheels that plug into DeepSegm, and the tests that they do."""
