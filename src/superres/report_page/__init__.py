"""The comparison as one HTML file that loads nothing: style, script and pictures are inside."""

from superres.report_page.page import write_page

__all__ = ["write_page"]
