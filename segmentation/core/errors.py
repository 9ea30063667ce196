"""The error that every part of the engine raises for what a user can mend."""


class UserError(ValueError):
    """The request cannot be met; the message is a sentence for people."""
