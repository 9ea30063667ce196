"""What a site knows of a training without torch: its plan, its stored summary, its files."""
