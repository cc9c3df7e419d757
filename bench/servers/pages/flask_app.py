"""Flask: a session in a signed cookie, tokens of Flask-WTF, a template of Jinja2."""

from flask import Flask, render_template, request, session
from flask_wtf.csrf import CSRFProtect, generate_csrf
from markupsafe import Markup
from parts import NAME, PARTS

app = Flask(__name__, template_folder=".")
app.config["SECRET_KEY"] = "a secret of sixteen bytes or more"
CSRFProtect(app)


@app.get("/enter")
def enter():
    session["name"] = NAME
    return "Welcome."


@app.get("/")
def parts():
    hidden = Markup('<input type="hidden" name="csrf_token" value="{}">').format(generate_csrf())
    return render_template("parts.html", name=session["name"], parts=PARTS, hidden=hidden)


@app.post("/cart")
def cart():
    return f"{session['name']} has {int(request.form['number'])}", 200, {"x-cart": "1"}
