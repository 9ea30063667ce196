"""Forms: they turn what people type into settings and other values; every error is a sentence that says what to do."""
