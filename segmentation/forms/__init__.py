"""Forms: typed text becomes settings; every error is a sentence that says what to do."""
