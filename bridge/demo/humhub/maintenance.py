"""HumHub's maintenance mode: administrators go on, anybody else is logged out and led to the login page.

So is Docs: whose document it is (the user in `doc=`) decides. The file and its rights are looked at before, so what is
not there is still not there. Source: HumHub's access rules and the module's backend controller.
"""

from __future__ import annotations

from bridge.demo.humhub import pages, tokens
from bridge.demo.humhub.answers import Answer
from bridge.demo.humhub.call import Call

LOGIN = "user/auth/login"


def admits(call: Call) -> bool:
    user = call.user
    if call.route.startswith("onlyoffice/backend/"):
        user = call.hub.user_by_guid(tokens.read_hash(call).get("userGuid"))
    return call.route == LOGIN or (user is not None and user.admin)


def send_away(call: Call) -> Answer:
    if call.session is not None and call.user is not None:
        call.hub.sessions.end(call.session)
        call.session = call.user = None
        call.set_cookie("_identity", "deleted", 0)
    return pages.redirect(call, call.origin + call.links.to(LOGIN))
