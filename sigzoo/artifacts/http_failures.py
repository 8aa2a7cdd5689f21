"""What an error of requests means for a mirror: to be tried again, or given up, with a reason in a line."""

from __future__ import annotations

from sigzoo.artifacts.retry import Retry
from sigzoo.common.redaction import redacted
from sigzoo.common.terminal import safe_text
from sigzoo.errors import ArtifactError

__all__ = ["TryAgainError", "failure", "unanswered"]

_CERTIFICATES_HINT = "behind a company's proxy, name its certificates in REQUESTS_CA_BUNDLE or SSL_CERT_FILE"


class TryAgainError(Exception):
    """A try that failed in a way that another may not."""

    def __init__(
        self, reason: str, *, wait: float | None = None, at_once: bool = False, attempts: int = 1 << 30
    ) -> None:
        super().__init__(reason)
        self.wait, self.at_once, self.attempts = wait, at_once, attempts


def unanswered(retry: Retry) -> TryAgainError:
    """Say that the head of an answer took too long."""
    return TryAgainError(f"no whole answer within {retry.answer_timeout:g} s", attempts=retry.silent_attempts)


def failure(error: Exception, retry: Retry, *, expired: bool) -> Exception:
    """Return the error that stands for one of requests, or for one that came through it.

    Parameters
    ----------
    error
        What was raised while an answer was asked for.
    retry
        Patience.
    expired
        Whether the watchdog had shut the connection.
    """
    from requests import exceptions

    if expired:
        return unanswered(retry)
    if isinstance(error, exceptions.TooManyRedirects):
        return ArtifactError("redirects in a loop")
    if isinstance(error, exceptions.ReadTimeout):
        return TryAgainError(f"no answer within {retry.read_timeout:g} s", attempts=retry.silent_attempts)
    if isinstance(error, exceptions.ConnectTimeout):
        return TryAgainError(
            f"no connection within {retry.connect_timeout:g} s", attempts=retry.silent_attempts
        )
    if isinstance(error, exceptions.SSLError):
        return ArtifactError(f"no trusted connection ({_cause(error)}; {_CERTIFICATES_HINT})")
    if isinstance(error, exceptions.ConnectionError):
        unreachable = "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error)
        return TryAgainError(_cause(error), attempts=retry.silent_attempts if unreachable else retry.attempts)
    if not isinstance(error, exceptions.RequestException) and isinstance(error, OSError):
        # What requests says where the file of certificates is not there.
        return ArtifactError(f"no trusted connection ({_cause(error)}; {_CERTIFICATES_HINT})")
    return ArtifactError(f"not a usable URL or answer ({_cause(error)})")


def _cause(error: BaseException) -> str:
    """Return the innermost reason of a nested network error, in a line without secrets."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _cause(reason)
    if len(error.args) > 1 and isinstance(error.args[1], BaseException):
        return f"{redacted(safe_text(str(error.args[0])))} {_cause(error.args[1])}"
    return redacted(safe_text(" ".join(str(error).split()))[:200]) or type(error).__name__
