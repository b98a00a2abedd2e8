"""Where nobody could say how Slack behaves (fact sheet 14), a switch chooses. The first choice is the default."""

from __future__ import annotations

from incident_central.sandbox.switches import Switch

SLACK_SWITCHES = (
    Switch("rate_limits", ("on", "off"), "Whether calls beyond Slack's limits get 429."),
    Switch("installation", ("workspace", "organisation"), "Whether the app is installed for a whole organisation."),
    Switch("scopes_header", ("sent", "left out"), "Whether answers carry x-oauth-scopes."),
    Switch("pages", ("full", "short"), "Short pages: fewer than asked for, the first one even empty."),
    Switch("channel_creation", ("allowed", "restricted"), "Whether the workspace lets apps create channels."),
    Switch("channel_creator", ("bot", "installer"), "Whom a channel made by the bot names as its creator."),
    Switch("unseen_private_names", ("taken", "free"), "Whether an unseen private channel keeps its name taken."),
    Switch("non_latin_names", ("accepted", "refused"), "Lower-case letters beyond a to z in channel names."),
    Switch("invite_maximum", ("100", "1000"), "How many people one conversations.invite takes."),
    Switch("forced_invite", ("ok", "not ok"), "What `ok` says when force invited only some people."),
    Switch("deactivated_invitee", ("user_not_found", "cant_invite"), "The error for a deactivated invitee."),
    Switch("guests_by_email", ("found", "not found"), "Whether users.lookupByEmail finds guests."),
    Switch("slackbot_is_bot", ("no", "yes"), "What USLACKBOT's is_bot says."),
    Switch("topic_escaping", ("escaped", "as given"), "Whether a topic is stored with &amp; &lt; &gt;."),
    Switch("topic_messages", ("posted", "not posted"), "Whether a new topic posts a channel_topic message."),
    Switch("unarchive_by_bot", ("refused", "allowed"), "Whether a bot token can unarchive a channel."),
    Switch("update_without_blocks", ("removes them", "keeps them"), "chat.update with text but without blocks."),
    Switch("customize_scope", ("needed", "not needed"), "chat:write.customize for username and icons."),
    Switch("pin_limit", ("100", "none"), "How many pins a channel takes."),
    Switch("block_text_limit", ("13200", "none"), "Characters of text in all blocks of one message."),
    Switch("history_limit", ("custom app", "distributed app"), "Distributed: one read a minute, 15 messages."),
)
