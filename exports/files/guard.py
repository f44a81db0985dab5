"""Text that a spreadsheet would run, made harmless in a way that can be undone.

Excel, LibreOffice and Sheets take a cell of a CSV file for a formula when it begins with ``=``, ``+``, ``-`` or ``@``,
also in full width, or after a tab or a line break. Such text gets an apostrophe in front, which spreadsheets read as
"this is text". So that the way back is certain, text that already begins with apostrophes and then such a character
gets one more; all other text stands as it is. Loading takes the apostrophe away again
(`projects.tables.delimited.unguarded`).
"""

import re

_TAKEN_FOR_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")


def guard(text: str) -> str:
    """
    >>> guard("=1+1"), guard("'=1+1"), guard("'tis"), guard("a=b")
    ("'=1+1", "''=1+1", "'tis", 'a=b')
    """
    return f"'{text}" if _TAKEN_FOR_FORMULA.match(text) else text


def is_taken_for_formula(text: str) -> bool:
    return _TAKEN_FOR_FORMULA.match(text) is not None
