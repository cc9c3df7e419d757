"""What it costs to find who answers a path, among 10 routes and among 1,000: `lookups.py ROUTER`.

Half of the routes are literal (/page7), half have a slot (/shop7/part/{number:int}). Twenty of
each, spread evenly over the order in which they were added, are looked up in turn, and paths
that no route has. Prints nanoseconds of one look-up, as JSON: the best of five rounds.
"""

import json
import sys
import time
from collections.abc import Callable

LOOKUPS = 2000  # a round
Find = Callable[[str], object]  # of a path with GET; None when no route has it


def crlf(count: int) -> Find:
    from crlf.rules.routes import Found, Pattern, Routes

    routes: Routes[int] = Routes()
    for number in range(count // 2):
        routes.add(Pattern(f"/page{number}"), ("GET",), number, f"page{number}")
        pattern = Pattern(f"/shop{number}/part/{{number:int}}")
        routes.add(pattern, ("GET",), number, f"part{number}")

    def find(path: str) -> object:
        found = routes.find("GET", path)
        return found if type(found) is Found else None

    return find


def starlette(count: int) -> Find:
    from starlette.routing import Match, Route, Router

    async def endpoint(request: object) -> None: ...

    routes = []
    for number in range(count // 2):
        routes += [
            Route(f"/page{number}", endpoint),
            Route(f"/shop{number}/part/{{number:int}}", endpoint),
        ]
    router = Router(routes)
    scope = {"type": "http", "method": "GET", "root_path": ""}

    def find(path: str) -> object:
        asked = {**scope, "path": path}
        for route in router.routes:  # as Router.app does
            match, more = route.matches(asked)
            if match is Match.FULL:
                return route, more
        return None

    return find


def werkzeug(count: int) -> Find:
    from werkzeug.exceptions import NotFound
    from werkzeug.routing import Map, Rule

    rules = []
    for number in range(count // 2):
        rules += [
            Rule(f"/page{number}", endpoint=f"page{number}", methods=["GET"]),
            Rule(f"/shop{number}/part/<int:number>", endpoint=f"part{number}", methods=["GET"]),
        ]
    adapter = Map(rules).bind("localhost")  # once; Flask binds for each request

    def find(path: str) -> object:
        try:
            return adapter.match(path, "GET")
        except NotFound:
            return None

    return find


ROUTERS: dict[str, Callable[[int], Find]] = {
    "crlf": crlf, "starlette": starlette, "werkzeug": werkzeug,
}  # fmt: skip
PATHS = {"literal": "/page{}", "slot": "/shop{}/part/7", "missing": "/page{}/nothing"}


def nanoseconds(find: Find, paths: list[str]) -> float:
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter_ns()
        for _ in range(LOOKUPS // len(paths)):
            for path in paths:
                find(path)
        best = min(best, time.perf_counter_ns() - begin)
    return best / LOOKUPS


def main(name: str) -> None:
    figures = {}
    for count in (10, 1000):
        find, half = ROUTERS[name](count), count // 2
        for kind, text in PATHS.items():
            paths = [text.format(half * number // 20) for number in range(20)]
            for found in map(find, paths):
                if (found is None) != (kind == "missing"):
                    raise SystemExit(f"{name}: {kind} found {found}")
            figures[f"{kind} {count}"] = nanoseconds(find, paths)
    figures["growth"] = max(figures[f"{kind} 1000"] / figures[f"{kind} 10"] for kind in PATHS)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1])
