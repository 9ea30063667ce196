"""Services for access to results: tokens, private links, the second factor, the address of the site;
and webhooks."""
