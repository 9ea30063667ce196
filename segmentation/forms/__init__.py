"""What people type, turned into settings; every error is a sentence that says what to do."""
