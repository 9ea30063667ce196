"""Quality control of a laboratory: methods, limits, reference materials, control charts and studies."""
