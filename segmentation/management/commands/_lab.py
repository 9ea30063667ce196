"""What the commands of the laboratory share: what cannot be done is said in a sentence, progress is seen at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from segmentation.core.errors import UserError
from segmentation.core.network.cards import NEEDS_TORCH, UnknownModel
from segmentation.core.tasks import UnknownTask

BASE = Path(settings.BASE_DIR)  # from which the paths of a recipe go out


class LabCommand(BaseCommand):
    """result: what it writes. resumes: whether the same command goes on where it was stopped."""

    requires_system_checks: list[str] = []
    result = "The result"
    resumes = False

    def execute(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute(*args, **options)
        except (UserError, UnknownModel, UnknownTask) as error:
            raise CommandError(str(error)) from error
        except ImportError as error:
            raise CommandError(NEEDS_TORCH.format(what="This command")) from error
        except OSError as error:
            out = options.get("out")  # a full disk names no file by itself
            written = error.errno is not None and out and str(error.filename or out).startswith(str(out))
            why = f"{self.result} in {out} cannot be written ({error.strerror})." if written else str(error)
            raise CommandError(why) from error
        except KeyboardInterrupt:
            if not self.resumes:
                raise
            raise CommandError("Stopped; the same command goes on from the last checkpoint.") from None

    def fine_tuned(self, folder: Path, model: str | None) -> Any:
        """The recipe that goes on training a model on a folder; None where no model is named, and no folder either."""
        from segmentation.lab.training.finetune import fine_tuning

        if model:
            return fine_tuning(folder, model)
        if folder.is_dir():
            raise CommandError(f"{folder} is a folder: say which model to train further with --fine-tune.")
        return None

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
