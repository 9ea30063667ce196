"""Compares a measurement of a reference material with its certificate.

- bias: the measured minus the certified value (ISO Guide 33:2015).
- agreement: |bias| is at most 2 u, where u² is the sum of the squares of both standard
  uncertainties (ERM Application Note 1, Linsinger 2005: comparison of a measurement result with the
  certified value).
- En number: bias divided by the root of the sum of squares of both expanded uncertainties;
  satisfactory from -1 to 1 (ISO 13528:2022, ISO/IEC 17043:2023). The certificate's U is used
  unchanged, the measurement's is 2 u.

Both verdicts are the same if the certificate has k = 2. If the interval of the measurement is not
symmetric, the side towards the certified value counts (`spread`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import hypot

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from ..measure.quantities import Unit, Value, number, significant
from ..measure.uncertainty.budget_table import COVERAGE
from ..validation import Settings
from .conformity import number_words
from .spread import NumberName, spread_of

LENGTH: Unit = "nm"


class ReferenceMaterial(Settings):
    """A material whose certificate states the value of one number.

    name: with the number of the material. quantity: name of the number of a result that is compared
    with the certificate, such as "median" or "mean". value, expanded: certified value and its
    expanded uncertainty, in the unit of result.json (nm; a share from 0 to 1). k: the coverage factor of `expanded`.
    measurand: in the certificate's words, with the technique, such as "mean diameter by number,
    SEM". certificate: its number or date. source: address of the certificate. batch: the batch of the
    laboratory's bottle, "" if the certificate holds for all batches. expires: the last day on which the
    certificate holds, such as "2027-06-30", "" if it names none.
    """

    name: str = Field(min_length=1, max_length=200)
    quantity: NumberName
    value: float = Field(gt=0)
    expanded: float = Field(gt=0)
    k: float = Field(2.0, ge=1, le=5)
    measurand: str = Field(min_length=1, max_length=500)
    certificate: str = Field(min_length=1, max_length=200)
    source: str = Field("", max_length=500)
    batch: str = Field("", max_length=100)
    expires: str = ""

    @field_validator("expires")
    @classmethod
    def _is_day(cls, text: str) -> str:
        try:
            return date.fromisoformat(text).isoformat() if text else ""
        except ValueError:
            raise PydanticCustomError("day", "a day such as 2027-06-30") from None

    def expiry_words(self, day: str) -> str:
        """A sentence if the certificate had expired on a day (ISO 8601); else ""."""
        is_over = self.expires and day > self.expires
        return f"The certificate expired on {self.expires}, before the measurement of {day}." if is_over else ""

    @property
    def standard(self) -> float:
        """The standard uncertainty of the certified value, in the unit of `value`."""
        return self.expanded / self.k


@dataclass(frozen=True)
class Agreement:
    """The comparison of a measurement with the certified value, in the unit of that value.

    bias: measured minus certified; relative_bias: the bias divided by the certified value.
    standard: standard uncertainty of the bias. en: the En number. sentence: all of it in words.
    """

    bias: float
    relative_bias: float
    standard: float
    en: float
    agrees: bool
    sentence: str


def compare_with_certificate(material: ReferenceMaterial, value: Value) -> Agreement:
    """The comparison of a measurement of a reference material with its certificate.

    value: the number `material.quantity` of the result, in the unit of result.json. Raises
    ValueError if it has no value or no interval, or is in pixels.
    """
    quantity = number(material.quantity)
    if quantity.power and value.unit != quantity.unit(LENGTH):
        raise ValueError(f"The {quantity.label} is not in {quantity.unit(LENGTH)}: give the image a scale.")
    spread = spread_of(value)
    if value.value is None or spread is None:
        raise ValueError(f"The {quantity.label} has no known uncertainty: it cannot be compared with a certificate.")
    bias = value.value - material.value
    uncertainty = spread.towards(-bias)
    standard = hypot(uncertainty, material.standard)
    agrees = abs(bias) <= COVERAGE * standard
    en = bias / hypot(COVERAGE * uncertainty, material.expanded)
    return Agreement(
        bias,
        bias / material.value,
        standard,
        en,
        agrees,
        _words(material, value, bias, COVERAGE * standard, en, agrees),
    )


def _words(material: ReferenceMaterial, value: Value, bias: float, expanded: float, en: float, agrees: bool) -> str:
    """The sentence of the comparison. bias, expanded: the difference and its expanded uncertainty,
    in the unit of the certified value."""
    is_share = number(material.quantity).kind == "fraction"
    length_unit = f" {value.unit}".rstrip()
    factor, unit, value_unit = (100.0, " points", " %") if is_share else (1.0, length_unit, length_unit)
    certified, stated = (f"{factor * size:.10g}" for size in (material.value, material.expanded))  # not rounded
    sign = "−" if bias < 0 else "+"
    written, limit = (significant(factor * size) for size in (abs(bias), expanded))
    verdict = "agrees" if agrees else "does not agree"
    return (
        f"{material.name}: measured {number_words(material.quantity, value)}, certified"
        f" {certified} ± {stated}{value_unit} (k = {material.k:g}). The bias of {sign}{written}{unit} is"
        f" {'no larger' if agrees else 'larger'} than its expanded uncertainty of {limit}{unit}, so the result"
        f" {verdict} with the certificate; En = {en:.2f}.".replace("En = -", "En = −")
    )
