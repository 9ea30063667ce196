"""Analysis or sample -> the files a user takes away (`files.write_all`)."""
