"""`Method`, a method of a laboratory with its versions, and `Study`, a study of its precision."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._jobs import _Row
from ._parts import File, _id
from ._steps import M, Steps, _step

if TYPE_CHECKING:
    from ._jobs import Job, Result


def _source(result: _Row[M] | str | None, description: dict[str, Any] | None) -> dict[str, Any]:
    """The fields from which the site makes a version of a method: a finished result, else a description."""
    return {"job": _id(result)} if result is not None else {"description": description}


class Method(_Row[M]):
    """A method with its versions, the newest first. Results name the version that they follow."""

    kind = "methods"

    @property
    def versions(self) -> list[dict[str, Any]]:
        """Number, state, checksum, author and approver of each version."""
        return list(self.data["versions"])

    @_step
    def version(self, number: int) -> Steps[dict[str, Any]]:
        """A version with its description, and its changes against the version before."""
        return dict((yield from self._client._json("GET", f"{self.path}/versions/{number}")))

    @_step
    def change(
        self,
        result: Job[M] | Result[M] | str | None = None,
        *,
        description: dict[str, Any] | None = None,
        reason: str = "",
    ) -> Steps[dict[str, Any]]:
        """Change the draft, or make the next version if there is no draft without results. Give a finished result or a
        description. reason: why a next version is made, which needs one."""
        sent = {**_source(result, description), "reason": reason}
        answer = yield from self._client._json("POST", f"{self.path}/versions", json=sent)
        yield from self._refresh()
        return dict(answer)

    @_step
    def approve(self, number: int, password: str, checksum: str) -> Steps[dict[str, Any]]:
        """Approve a draft with the password of the account. checksum: of the version that you have read."""
        return (yield from self._do(number, "approve", {"password": password, "checksum": checksum}))

    @_step
    def withdraw(self, number: int, reason: str) -> Steps[dict[str, Any]]:
        """Withdraw an approved version, so that no new image is analysed by it."""
        return (yield from self._do(number, "withdraw", {"reason": reason}))

    @_step
    def study(
        self, /, title: str, results: dict[str, dict[str, str]], agreed: Iterable[str] = (), **required: Any
    ) -> Steps[Study[M]]:
        """Start a study of the precision of the method. Call its `refresh` until its state is "done".

        results: the id of each result, with its conditions: instrument, day, operator, preparation. agreed: the ids
        of results that count although they depart from the method, are by a draft, or too small. required: what the
        use of the method requires: use="in words", and in per cent intermediate, bias, uncertainty.
        """
        sent = {"title": title, "results": results, "agreed": list(agreed), "requirements": required}
        return Study(self._client, (yield from self._client._json("POST", f"{self.path}/studies", json=sent)))

    @_step
    def log(self) -> Steps[list[dict[str, Any]]]:
        """Who changed what of the method: versions, charts, studies and samples, the newest first."""
        return list((yield from self._client._json("GET", f"{self.path}/log")))

    @_step
    def discard(self, number: int) -> Steps[None]:
        """Delete a draft; also the method, if the draft is its only version."""
        yield from self._client._ask("DELETE", f"{self.path}/versions/{number}")

    @_step
    def charts(self) -> Steps[list[dict[str, Any]]]:
        """The control charts of the method, each with a sentence on its last point."""
        return list((yield from self._client._json("GET", f"{self.path}/charts")))

    @_step
    def create_chart(
        self, /, reference: str | None = None, material: str | None = None, **plan: Any
    ) -> Steps[dict[str, Any]]:
        """Make a control chart, with points for the results that the method has already. plan: quantity="median",
        way="individuals" or "ewma", centre and sigma (fixed limits, in nm or as fractions), rules=[1, 2] (numbers
        of Nelson's tests that raise an alarm; without it 1 to 4). reference: id of a reference material, to show
        only measurements of it. material: the material of the results, if they are of several."""
        sent = {"plan": plan, "reference": reference, "material": material}
        return dict((yield from self._client._json("POST", f"{self.path}/charts", json=sent)))

    def _do(self, number: int, action: str, sent: dict[str, str]) -> Steps[dict[str, Any]]:
        """Send an action on a version, such as "approve"; gives the answer."""
        answer = yield from self._client._json("POST", f"{self.path}/versions/{number}/{action}", json=sent)
        yield from self._refresh()
        return dict(answer)


class Study(_Row[M]):
    """A study of the precision of a method. `data` has state, results, precision and report."""

    kind = "studies"

    @_step
    def save_report(self, to: File = ".") -> Steps[Path]:
        """Save the validation report as PDF, in a folder or under the name `to`."""
        return (yield from self._client._download(f"{self.path}/report.pdf", to, "validation.pdf"))

    @_step
    def sign(self, password: str, meaning: str = "made", name: str = "") -> Steps[None]:
        """Sign the validation report with the password of the account. meaning: made, only for its author; reviewed or
        approved, only for others."""
        sent = {"password": password, "meaning": meaning, "name": name}
        self.data = yield from self._client._json("POST", f"{self.path}/signatures", json=sent)

    @_step
    def cancel(self) -> Steps[None]:
        """Stop the study while it waits or runs."""
        self.data = yield from self._client._json("POST", f"{self.path}/cancel")

    @_step
    def apply(self) -> Steps[dict[str, Any]]:
        """Write the intermediate precision of the study into the next version of the method; gives that version."""
        return dict((yield from self._client._json("POST", f"{self.path}/apply")))
