"""Models of one's own: datasets, and the trainings on them."""
