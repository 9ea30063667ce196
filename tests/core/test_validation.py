"""What is wrong with settings, as one sentence that names the entry."""

import math
from typing import Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from segmentation.core.validation import Settings, sentence


class Part(Settings):
    """One of several."""

    path: str
    weight: float = Field(1.0, gt=0)


class Whole(Settings):
    """Settings with a table and a list of tables."""

    title: str
    count: int = Field(1, ge=1, le=9)
    rate: float = 0.5
    mode: Literal["slow", "fast"] = "slow"
    part: Part | None = None
    parts: list[Part] = []
    sides: list[float] = []

    def model_post_init(self, context):
        if len(self.sides) == 2 and self.sides[0] > self.sides[1]:
            raise ValueError("sides is the smallest and the largest.")

    @field_validator("title")
    @classmethod
    def _title_is_a_line(cls, title):
        if "\n" in title:
            raise PydanticCustomError("line", "one line of text")
        return title


def told(**entries):
    with pytest.raises(ValidationError) as refused:
        Whole.model_validate({"title": "a", **entries})
    return sentence(refused.value)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"count": 2.5}, "count is a whole number, not 2.5."),
        ({"count": True}, "count is a whole number, not True."),
        ({"count": 12}, "count is at most 9, not 12."),
        ({"rate": "fast"}, "rate is a number, not 'fast'."),
        ({"rate": math.nan}, "rate is a finite number, not nan."),
        ({"mode": "lunar"}, "mode is slow or fast, not 'lunar'."),
        ({"title": 3}, "title is text, not 3."),
        ({"title": "a\nb"}, r"title is one line of text, not 'a\nb'."),
        ({"colour": 1, "odd": 2}, "it has unknown entries: colour, odd."),
        ({"part": {"path": "x", "weigth": 2}}, "part: it has unknown entries: weigth (did you mean weight?)."),
        ({"part": 3}, "part is a table, not 3."),
        ({"parts": [{"path": "x"}, {"weight": 2.0}]}, "parts 2: it lacks path."),
        ({"parts": [{"path": "x", "weight": 0}]}, "parts 1: weight is above 0, not 0."),
        ({"sides": ["a"]}, "sides 1 is a number, not 'a'."),
        ({"sides": [2, 1]}, "sides is the smallest and the largest."),
        ({"title": "x" * 99, "count": "y" * 99}, f"count is a whole number, not '{'y' * 56}...."),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(entries, expected):
    assert told(**entries) == expected


def test_all_that_is_missing_is_named():
    with pytest.raises(ValidationError) as refused:
        Part.model_validate({})
    assert sentence(refused.value) == "it lacks path."


def test_changes_are_checked():
    settings = Whole.model_validate({"title": "a", "rate": 2})
    assert settings.rate == 2.0 == settings.replaced(count=3).rate and settings.replaced(count=3).count == 3
    with pytest.raises(ValidationError):
        settings.replaced(count=0)


class Secrets(BaseModel):
    password: str
    number: int = 0


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ('{"password": "geheim", "number": 1', "it is not JSON: EOF while parsing an object at line 1 column 34."),
        ("password=geheim", "it is not JSON: expected value at line 1 column 1."),
        ('{"password": ["geheim"]}', "password is text."),
        ('["geheim"]', "it is a table."),
        ('{"password": "geheim", "number": "a"}', "number is a whole number, not 'a'."),
    ],
)
def test_what_was_sent_is_not_given_back_where_a_password_may_stand(sent, said):
    with pytest.raises(ValidationError) as caught:
        Secrets.model_validate_json(sent)
    assert sentence(caught.value) == said
