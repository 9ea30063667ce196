"""The limits of a specification and the reference material with which a result is compared."""
