"""Who may come in, and what goes out: tokens, private links, second factor, webhooks."""
