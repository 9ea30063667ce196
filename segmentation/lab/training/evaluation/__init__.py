"""How good a model is: figures against truth, and a report that shows them."""
