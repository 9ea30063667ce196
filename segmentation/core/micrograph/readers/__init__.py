"""The readers of the file formats, which `formats` lists."""
