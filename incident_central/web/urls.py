"""Door 1: people in a browser."""

from django.urls import path

from incident_central.web import (
    acting,
    csv_file,
    editing,
    health,
    home,
    icon,
    incident,
    on_call,
    report,
    responding,
    saved_views,
    set_up,
    signin,
    theme,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("report", report.report, name="report"),
    path("report/on-call", report.on_call, name="report-on-call"),
    path("on-call", on_call.on_call, name="on-call"),
    path("incidents.csv", csv_file.incidents_csv, name="csv"),
    path("views", saved_views.save_view, name="views"),
    path("incidents/<slug:name>", incident.incident, name="incident"),
    path("incidents/<slug:name>/channel", incident.open_channel, name="open-channel"),
    path("incidents/<slug:name>/responding", responding.responding, name="responding"),
    path("incidents/<slug:name>/steps/<slug:step>", responding.decide, name="step"),
    path("incidents/<slug:name>/actions/<slug:kind>", acting.act, name="act"),
    path("incidents/<slug:name>/actions/<int:number>/<slug:step>", acting.decide, name="action-step"),
    path("incidents/<slug:name>/edit", editing.edit, name="edit"),
    path("set-up", set_up.set_up, name="set-up"),
    path("set-up/check", set_up.check, name="check"),
    path("sign-in", signin.sign_in, name="sign-in"),
    path("sign-out", signin.sign_out, name="sign-out"),
    path("theme", theme.choose, name="theme"),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("favicon.ico", icon.favicon, name="favicon"),
]
