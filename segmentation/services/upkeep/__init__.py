"""What is repaired and removed without anybody asking, and whether all is well."""
