"""What is measured on the pixels of a label image: runs, hulls, contacts."""
