"""What commands have in common that bring in a file: a dry run, a bar, and every problem by its line."""

from functools import partial
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from clinic.import_rules import Row, Unreadable, Wrong, read


class ImportCommand(BaseCommand):
    """A subclass says its columns, and does the work in `bring`."""

    needed: tuple[str, ...]
    columns: tuple[str, ...]

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, help="a CSV in UTF-8 with headings (docs/running.md)")
        parser.add_argument("--dry-run", action="store_true", help="only say what it would do")

    def handle(self, *, file: Path, dry_run: bool, **options):
        """Everything or nothing: with one problem nothing is written, and all of them are told."""
        try:
            rows = read(file.read_bytes(), needed=self.needed, known=self.columns)
            watch = partial(tqdm, unit=" rows", file=self.stderr, disable=None)  # quiet where nobody watches
            counted = self.bring(rows, dry_run=dry_run, watch=watch, **options)
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}") from error
        except Unreadable as error:
            raise CommandError(f"{file}: {error}") from error
        except Wrong as wrong:
            for line, words in wrong.problems:
                self.stderr.write(f"{file.name}:{line}: {words}")
            lines = len({line for line, _words in wrong.problems})
            raise CommandError(f"Nothing was written: {lines} lines have problems, told above.") from wrong
        told = ", ".join(f"{number} {what}" for what, number in counted.items())
        self.stdout.write(f"{'Would be' if dry_run else 'Done'}: {told}. {len(rows)} rows in the file.")

    def bring(self, rows: list[Row], *, dry_run: bool, watch, **options) -> dict[str, int]:
        """Does it; how many of each kind, in words. They add up to the rows of the file."""
        raise NotImplementedError
