"""What all views of the API share: callers, bodies, answers, errors."""
