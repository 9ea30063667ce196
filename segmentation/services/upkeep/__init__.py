"""Regular work of the site: rescue of jobs that lost their worker, removal of old data, and checks of
the state of the site."""
