"""The report: an evaluation as one page of HTML, which needs nothing but a browser."""

from sigzoo.evaluation.report.contents import Comparison, EmbeddingMap, Report, System
from sigzoo.evaluation.report.from_evaluation import report_of
from sigzoo.evaluation.report.report_page import page

__all__ = ["Comparison", "EmbeddingMap", "Report", "System", "page", "report_of"]
