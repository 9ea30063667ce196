"""How tasks that find single objects are taught and scored: targets, matching, kinds of errors, sizes, and fits of
parts of the model's card."""
