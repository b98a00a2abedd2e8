"""Who is signed in. Every page asks for it, so these two queries are not put together anew each time: that takes longer
than the database does.
"""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone

from incident_central.accounts.models import User


class SessionStore(db.SessionStore):
    """Django's, in its own table."""

    def _get_session_from_db(self) -> Session | None:
        query = "SELECT session_key, session_data, expire_date FROM django_session WHERE session_key = %s"
        for session in Session.objects.raw(query, [self.session_key]):
            if session.expire_date > timezone.now():
                return session
        self._session_key = None
        return None


class Backend(ModelBackend):
    """Django's, by e-mail and password."""

    def get_user(self, user_id: Any) -> User | None:
        for user in User.objects.raw("SELECT * FROM users WHERE id = %s", [user_id]):
            return user if self.user_can_authenticate(user) else None
        return None
