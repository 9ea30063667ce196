"""The reports, figures, tables and data files of a result (`files.write_all` writes them), and the
words on its page."""
