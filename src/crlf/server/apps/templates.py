"""Templates: pages that Jinja2 makes of files in a folder, whole before their first byte is sent.

They belong to an application: a page is made of the file of that name which the innermost
application around a route has. What a template can ask for beside its values (`url`, `csrf`,
`flashes`, `request`, `session`) costs nothing until it does. Its law: values are escaped unless
the template says otherwise, and a name that nobody gave is an error, not a blank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from crlf.message.fields.media import media_type_of
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import Pairs
from crlf.rules.pages import NOSNIFF
from crlf.server.apps.answers import Fields, Pending
from crlf.server.apps.csrftokens import asks_for_tokens, csrf_field
from crlf.server.apps.handlers import Endpoint, Scope

SUFFIXES: Final = (".jinja", ".jinja2", ".j2")  # they say who reads a file, not what it makes
MOST_KNOWN: Final = 1000  # names whose fields are not made anew
NOT_ESCAPED: Final = ".txt"  # all else is: in a name without an ending there may be a page


class Templates:
    """What an application's pages are made of: a folder, or an Environment of Jinja2.

    folder: names with ".." find nothing in it. reloads: look whether a file has changed each
    time it is used; otherwise it is compiled once. environment: Jinja2's, for filters and
    globals of one's own. One that is given gets the names `url`, `csrf` and `flashes`, unless
    it has them, and stays as it is otherwise.

    Raises NotADirectoryError for a folder that is none, ImportError without Jinja2, and ValueError
    for an Environment that escapes nothing, which Jinja2's is unless it is told to.
    """

    def __init__(self, source: str | Path | object, *, reloads: bool = False) -> None:
        environment: Any = source
        if isinstance(source, str | Path):
            environment = _environment(Path(source), reloads)
        self.environment = environment
        if not hasattr(environment, "get_template"):
            raise TypeError(f"templates are a folder or an Environment of Jinja2, not {source!r}")
        if getattr(environment, "autoescape", True) is False:
            raise ValueError(
                "what visitors write would stand in pages as HTML: Environment(autoescape=True), "
                "or autoescape=lambda name: False for what makes no pages"
            )
        for name, function in (("url", url), ("csrf", csrf), ("flashes", flashes)):
            environment.globals.setdefault(name, function)

    @classmethod
    def of(cls, source: str | Path | object, *, reloads: bool) -> Templates:
        """Return what App(templates=...) was given as Templates."""
        return source if isinstance(source, Templates) else cls(source, reloads=reloads)

    def find(self, name: str) -> Any:
        """Return the template of that name, compiled. Raises LookupError when there is none."""
        return self.environment.get_template(name)


class TemplateAnswer(Pending):
    """A page to be made, once there is a request that it belongs to."""

    __slots__ = ("headers", "name", "status_code", "values")

    def __init__(
        self, name: str, status_code: int, headers: Fields | None, values: Mapping[str, object]
    ) -> None:
        self.name = name
        self.status_code = status_code
        self.headers = headers
        self.values = values

    def response(self, request: Request) -> Response:
        """Make the page, all of it: where its template fails, nothing of it is sent."""
        content = render(request, self.name, **self.values).encode()
        fields = _fields_of(self.name)
        if self.headers is not None:
            fields = fields.merged(Headers(self.headers))
        return Response.quick(self.status_code, fields, content)


def template(
    name: str, status_code: int = 200, headers: Fields | None = None, /, **values: object
) -> TemplateAnswer:
    """Answer with a page: template("part.html", part=part).

    Its content type follows from the name, as part.html or part.html.jinja. A `def` handler's
    page is made in its thread, an `async def` handler's on the loop: what its template looks at
    should be there already.
    """
    return TemplateAnswer(name, status_code, headers, values)


def render(request: Request, name: str, /, **values: object) -> str:
    """Make a text of a template, for a mail or a part of a page, as `template` does.

    Raises RuntimeError where no application around the request's route has templates, and what
    Jinja2 raises: TemplateNotFound, UndefinedError, TemplateSyntaxError.
    """
    compiled, scopes = _found(request, name)
    token = _page.set(_Page(request, scopes))
    try:
        text: str = compiled.render({"request": request, "session": _Look(request), **values})
        return text
    finally:
        _page.reset(token)


def _found(request: Request, name: str) -> tuple[Any, tuple[Scope, ...]]:
    """Find a template, and the applications from the one that has it outwards."""
    endpoint = request.endpoint
    scopes = endpoint.scopes if isinstance(endpoint, Endpoint) else ()
    missing: LookupError | None = None
    for depth, scope in enumerate(scopes):
        if scope.templates is not None:
            try:
                return scope.templates.find(name), scopes[depth:]
            except LookupError as fault:  # TemplateNotFound is one
                missing = missing or fault
    if missing is not None:
        raise missing
    raise RuntimeError('there are no templates here: App(templates="folder") says where they are')


# -- what a template can ask for


class _Page(NamedTuple):
    """What is being made. scopes: of the application whose template it is, and around it."""

    request: Request
    scopes: tuple[Scope, ...]


# Names in an Environment are seen by macros of other files, too; so they find their page here.
_page: ContextVar[_Page] = ContextVar("page")


def url(name: str, query: Pairs | None = None, /, **values: object) -> str:
    """Write the path of a route by its name, as App.url does.

    The application that has the template is asked first, then those that it is mounted in.
    """
    fault = ValueError("no page is being made")
    for number, scope in enumerate(_page.get().scopes):
        site: Any = scope.site  # an App, which is made of this file and others
        try:
            path: str = site.url(name, query, **values)
            return path
        except ValueError as refusal:
            fault = refusal if number == 0 else fault
    raise fault


def csrf() -> str:
    """Write the hidden input that says that a form is from this site, where one is asked for.

    Elsewhere nothing: nobody would look at it, and a visitor would get a session for it.
    """
    from markupsafe import Markup

    request = _page.get().request
    return Markup(csrf_field(request) if asks_for_tokens(request) else "")


def flashes() -> list[Any]:
    """Take what the visitor was to be told by the next page: each has a text and a kind."""
    session: Any = _page.get().request.session
    return list(session.flashes())


class _Look(Mapping[str, Any]):
    """A session that is opened when a template looks at it."""

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        self._request = request

    def __getitem__(self, key: str) -> Any:
        return self._request.session[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._request.session)

    def __len__(self) -> int:
        return len(self._request.session)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request.session, name)


# -- what is known of a template by its name


def _environment(folder: Path, reloads: bool) -> Any:
    try:
        from crlf.server.apps.environment import PageEnvironment
    except ImportError as missing:
        raise ImportError(
            "templates need the package Jinja2: pip install 'crlf[templates]'"
        ) from missing
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder of templates")
    return PageEnvironment(folder, _is_escaped, reloads=reloads)


def _is_escaped(name: str | None) -> bool:
    return name is None or not _made(name).lower().endswith(NOT_ESCAPED)


def _made(name: str) -> str:
    """The name of what a template makes: page.html, of page.html.jinja."""
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


@lru_cache(MOST_KNOWN)
def _fields_of(name: str) -> Headers:
    return Headers([("content-type", media_type_of(_made(name))), NOSNIFF])
