"""The work on jobs, samples, files, comparisons and studies."""
