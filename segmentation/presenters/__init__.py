"""From rows of the database to what pages, API and admin show: numbers, words and small charts."""
