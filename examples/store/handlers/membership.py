"""Membership: opening an account, signing in and out, and what only its owner may see and do.

Passwords are hashed in these handlers: they are `def`, so it happens in threads and nobody else
waits for it. Its law: from the moment somebody signs in the session has another number, and what
ends one session or all of them ends them on the server, whatever a browser still sends.
"""

from __future__ import annotations

from crlf import Request, redirect
from examples.store.data.attempts import TooMany
from examples.store.data.members import (
    LONGEST_EMAIL,
    Member,
    Taken,
    email_fault,
    name_fault,
    password_fault,
)
from examples.store.data.passwords import LONGEST, hash_of, is_out_of_date, is_password
from examples.store.shop import (
    SignInFirst,
    Words,
    app,
    attempts,
    member_of,
    members,
    next_of,
    orders,
    page,
    typed,
)

WRONG = "No account has this address and this password."  # which of them is wrong is not said


def sign_in(request: Request, member: Member) -> None:
    """Note in the session who the visitor is; the cart stays, the session's number does not."""
    request.session.sign_in(str(member.id))
    request.session["name"] = member.name


# --- opening an account --------------------------------------------------------------------------


@app.get("/signup")
def sign_up(request: Request) -> object:
    if request.session.user is not None:
        return redirect(next_of(request))
    return asking_for_all(request, Words(), Words())


@app.post("/signup")
def open_account(request: Request) -> object:
    """Open an account and sign in.

    It says that an address is taken. A shop that sends mail would send one instead, so that
    nobody learns who its customers are.
    """
    values = Words({name: typed(request.form, name) for name in ("name", "email")})
    password = request.form.get("password", "")
    faults = {
        "name": name_fault(values["name"]),
        "email": email_fault(values["email"]),
        "password": password_fault(password, values["email"]),
    }
    problems = Words({name: fault for name, fault in faults.items() if fault})
    if problems:
        return asking_for_all(request, values, problems, 400)
    try:
        attempts.note(values["email"], where_from(request))
        member = members.add(values["email"], values["name"], hash_of(password))
        attempts.forget(values["email"], where_from(request))
    except TooMany as fault:
        problems["email"] = later(fault)
        return asking_for_all(request, values, problems, 429)
    except Taken:
        problems["email"] = "There is an account with this address. Sign in instead?"
        return asking_for_all(request, values, problems, 409)
    sign_in(request, member)
    request.session.flash(f"Welcome, {member.name}.")
    return redirect(next_of(request))


def asking_for_all(
    request: Request, values: Words, problems: Words, status_code: int = 200
) -> object:
    return page(
        request, "signup.html", status_code, values=values, problems=problems, next=next_of(request)
    )


# --- signing in and out --------------------------------------------------------------------------


@app.get("/login")
def login(request: Request) -> object:
    if request.session.user is not None:
        return redirect(next_of(request))
    return asking_who(request, "")


@app.post("/login")
def check_login(request: Request) -> object:
    email, password = typed(request.form, "email"), request.form.get("password", "")
    try:
        member = recognised(request, email, password)
    except TooMany as fault:
        return asking_who(request, email, later(fault), 429, {"retry-after": str(fault.seconds)})
    if member is None:
        return asking_who(request, email, WRONG, 403)
    sign_in(request, member)
    request.session.flash(f"Welcome back, {member.name}.")
    return redirect(next_of(request))


def recognised(request: Request, email: str, password: str) -> Member | None:
    """Find the member with an address and a password. Raises TooMany.

    It takes the same time whether there is such a member or not.
    """
    email, password = email[: LONGEST_EMAIL + 1], password[: LONGEST + 1]
    address = where_from(request)
    attempts.note(email, address)
    member = members.by_email(email)
    if not is_password(member.password if member else None, password) or member is None:
        return None
    attempts.forget(email, address)
    if is_out_of_date(member.password):
        members.set_password(member.id, hash_of(password))
    return member


def asking_who(
    request: Request,
    email: str,
    problem: str = "",
    status_code: int = 200,
    headers: dict[str, str] | None = None,
) -> object:
    return page(
        request, "login.html", status_code, headers, email=email, problem=problem,
        next=next_of(request),
    )  # fmt: skip


@app.post("/logout")
def logout(request: Request) -> object:
    request.session.sign_out()
    request.session.flash("You are signed out.")
    return redirect(app.url("front"))


def where_from(request: Request) -> str:
    """The address that a request came from: a trusted proxy's word for it, if there is one."""
    return request.peer[0] if request.peer else ""


def later(fault: TooMany) -> str:
    minutes = -(-fault.seconds // 60)
    return f"That was tried too often. Try again in {minutes} minute{'s'[: minutes > 1]}."


@app.on_error(SignInFirst)
def ask_to_sign_in(request: Request, error: SignInFirst) -> object:
    """Send whoever is not signed in to where that is done, and from there back to here."""
    back = request.target if request.method == "GET" else "/account"
    if request.method == "POST":
        request.session.flash("You are signed out, and nothing was done. Sign in first.", "error")
    return redirect(app.url("login", {"next": back}))


# --- the account ---------------------------------------------------------------------------------


@app.get("/account")
def account(request: Request) -> object:
    return own_page(request, member_of(request))


def own_page(
    request: Request, member: Member, problems: Words | None = None, status_code: int = 200
) -> object:
    history = orders.of_member(member.id)
    return page(
        request, "account.html", status_code, member=member, orders=history,
        problems=problems or Words(),
    )  # fmt: skip


@app.post("/account/password")
def change_password(request: Request) -> object:
    """Keep a new password, and end all other sessions: one of them may be why."""
    member = member_of(request)
    password, new = request.form.get("password", ""), request.form.get("new", "")
    wrong = password_fault(new, member.email)
    if wrong:
        return own_page(request, member, Words(new=wrong), 400)
    try:
        if recognised(request, member.email, password) is None:
            return own_page(request, member, Words(password="That is not the one you have."), 403)
    except TooMany as fault:
        return own_page(request, member, Words(password=later(fault)), 429)
    members.set_password(member.id, hash_of(new))
    request.session.revoke_all(str(member.id))
    sign_in(request, member)  # this one goes on, under a new number
    request.session.flash("The new password counts from now on. All other sessions are over.")
    return redirect(app.url("account"))


@app.post("/account/everywhere")
def sign_out_everywhere(request: Request) -> object:
    member = member_of(request)
    request.session.revoke_all(str(member.id))
    request.session.sign_out()
    request.session.flash("You are signed out, here and everywhere else.")
    return redirect(app.url("front"))
