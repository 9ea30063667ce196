"""The error that every part of the engine raises for what a user can mend."""


class UserError(ValueError):
    """The request cannot be met; the message is a sentence for people.

    on_page: the sentence for people who see neither files nor a shell, where it is another one.
    """

    def __init__(self, sentence: object = "", *, on_page: str = "") -> None:
        super().__init__(sentence)
        self.on_page = on_page or str(sentence)
