"""What tasks share that find single objects: targets, matching, errors by kind, sizes, fits of the model's card."""
