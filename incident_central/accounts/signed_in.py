"""Who is signed in. Every page asks for it, so these two queries are not put together anew each time: that takes longer
than the database does.
"""

from collections.abc import Hashable
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone

from incident_central.accounts.models import User
from incident_central.database import state, state_column, state_told
from incident_central.rows import fetch


class SessionStore(db.SessionStore):
    """Django's, in its own table. What pages are made of is read after the session, so it tells their state as well."""

    _seen: Hashable = None

    @property
    def seen(self) -> Hashable:
        """The database's state() when the session was read."""
        return state() if self._seen is None else self._seen

    def _get_session_from_db(self) -> Session | None:
        query = "SELECT session_key, session_data, expire_date, %s AS told FROM django_session WHERE session_key = %%s"
        for session in Session.objects.raw(query % state_column(), [self.session_key]):
            if session.expire_date > timezone.now():
                self._seen = state_told(vars(session)["told"])
                return session
        self._session_key = None
        return None


class Backend(ModelBackend):
    """Django's, by e-mail and password."""

    def get_user(self, user_id: Any) -> User | None:
        try:
            user = fetch(User, user_id)
        except User.DoesNotExist:
            return None
        return user if self.user_can_authenticate(user) else None
