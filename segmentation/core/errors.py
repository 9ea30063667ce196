"""The error that is raised if the user can correct its cause."""


class UserError(ValueError):
    """The request cannot be met; the message is a sentence for people.

    on_page: the sentence for a web page, if it differs: readers of a page see neither paths nor options of commands.
    """

    def __init__(self, sentence: object = "", *, on_page: str = "") -> None:
        super().__init__(sentence)
        self.on_page = on_page or str(sentence)
