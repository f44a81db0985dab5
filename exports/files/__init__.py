"""Tables written to files: CSV, TSV, XLSX, JSON lines and Parquet, through one interface.

    with open_book("csv", target) as book, book.table("long", columns) as table:
        table.write(rows)

Rows are taken as they come and are never held together in memory; the same rows give the same bytes. Nothing in
here knows of Django or of the database.
"""

from exports.files.book import Book, Row, Table
from exports.files.columns import Column, Kind
from exports.files.formats import FORMATS, Format, Sink, open_book, streamed
from exports.files.guard import guard
from exports.files.names import file_name, whole_file

__all__ = [
    "FORMATS",
    "Book",
    "Column",
    "Format",
    "Kind",
    "Row",
    "Sink",
    "Table",
    "file_name",
    "guard",
    "open_book",
    "streamed",
    "whole_file",
]
