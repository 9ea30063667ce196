"""Who may see or change results: tokens, private links and the second factor. Webhooks are here,
too."""
