"""The exception by which a service refuses a request."""

LONGEST = 1000  # characters of a sentence: it may quote what was sent, and what is sent may be long


class Refused(Exception):
    """A request against the rules: one sentence for the user (what is wrong, what to do) and an HTTP status.

    after: seconds after which it may be sent again, 0 where that is not known.
    """

    def __init__(self, sentence: str, status: int = 400, *, after: int = 0) -> None:
        if len(sentence) > LONGEST:
            sentence = f"{sentence[: LONGEST // 2]} ... {sentence[-LONGEST // 4 :]}"
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
        self.after = after
