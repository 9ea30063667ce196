"""Services for datasets, trainings and the models that trainings make."""
