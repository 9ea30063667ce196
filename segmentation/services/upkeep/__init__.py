"""Regular work that nobody asks for: jobs that lost their worker are rescued, old data is removed,
and the state of the site is checked."""
