"""The tables of XLSX and CSV files."""
