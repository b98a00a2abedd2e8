"""What the database itself keeps so that incidents are found quickly: words, and who was assigned.

Triggers keep it, so that no writer can forget it. Django does not know these tables. On SQLite it makes a table anew to
alter a column, and loses its triggers thereby: a later migration that alters `incidents`, `incidents_responder` or
`incidents_action` calls `drop` before and `make` afterwards, and so does one for whatever is changed here. What was
there already is filed by `make`.

`incidents_assigned` holds resolved incidents by the names in `incidents.assigned`, in the order of the list; once more
by name and service, and by name and priority.
`incidents_words` is the index of words. On SQLite its documents are numbered in the order of the list, too
(`incidents_place`): what was resolved last has the highest number but for what is open, which comes above OPEN_FROM.
Names of responders and of who pressed “Me too” are indexed as they are added; nothing changes them afterwards.
"""

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

OPEN_FROM = 1 << 62
A_MILLISECOND = 1_000_000  # room for so many incidents that were resolved in the same one

#: Columns of `incidents` that are searched, or that it is filed under.
COLUMNS = """title, description, reporter_name, reporter_email, commander_name, incident_commander_email,
             acknowledged_by, assigned, status, resolved_at, created_at, service_id, priority_id"""

#: Marks, but of how an emoji looks: words are parted at them.
NO_MARKS = "\ufe0e\ufe0f"


def make(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL:
        schema_editor.execute(statement, params=None)
    schema_editor.execute("UPDATE incidents SET title = title", params=None)


def drop(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in DROP_SQLITE if schema_editor.connection.vendor == "sqlite" else DROP_POSTGRESQL:
        schema_editor.execute(statement, params=None)


# ── SQLite ────────────────────────────────────────────────────────────────────────────────────────

#: Those that took unusually long, or whose clocks disagree: see USUALLY in incidents/search.py.
ODD = "abs(julianday(i.resolved_at) - julianday(i.created_at) - 3) > 4"
#: hex() makes one word of anything: found again by incidents/search.py.
FILE = f"""
DELETE FROM incidents_words WHERE rowid = (SELECT docid FROM incidents_place WHERE incident_id = NEW.{{id}});
DELETE FROM incidents_place WHERE incident_id = NEW.{{id}};
DELETE FROM incidents_assigned WHERE incident_id = NEW.{{id}};
INSERT INTO incidents_place (docid, incident_id)
    SELECT coalesce(
        (SELECT max(docid) + 1 FROM incidents_place WHERE docid BETWEEN first AND first + {A_MILLISECOND - 1}), first), id
    FROM (SELECT id, CASE WHEN status = 'resolved' AND resolved_at IS NOT NULL
                     THEN (CAST(strftime('%s', substr(resolved_at, 1, 19)) AS INTEGER) * 1000
                           + CAST(substr(resolved_at, 21, 3) AS INTEGER)) * {A_MILLISECOND}
                     ELSE {OPEN_FROM} END AS first
          FROM incidents WHERE id = NEW.{{id}});
INSERT INTO incidents_assigned (name, resolved_at, incident_id, service_id, priority_id, created_at)
    SELECT DISTINCT one.value, i.resolved_at, i.id, i.service_id, i.priority_id, i.created_at
    FROM incidents i, json_each(CASE WHEN json_valid(i.assigned) THEN i.assigned ELSE '[]' END) one
    WHERE i.id = NEW.{{id}} AND i.status = 'resolved' AND i.resolved_at IS NOT NULL AND one.value IS NOT NULL;
INSERT INTO incidents_words (rowid, own, people, filed)
    SELECT p.docid,
        i.id || ' ' || i.title || ' ' || i.description,
        i.reporter_name || ' ' || i.reporter_email || ' ' || i.commander_name || ' ' ||
            coalesce(i.incident_commander_email, '') || ' ' || i.acknowledged_by || ' ' ||
            coalesce((SELECT group_concat(one.value, ' ')
                      FROM json_each(CASE WHEN json_valid(i.assigned) THEN i.assigned ELSE '[]' END) one), '') || ' ' ||
            coalesce((SELECT group_concat(r.name || ' ' || r.email, ' ')
                      FROM incidents_responder r WHERE r.incident_id = i.id), '') || ' ' ||
            coalesce((SELECT group_concat(a.who || ' ' || a.email, ' ')
                      FROM incidents_action a WHERE a.incident_id = i.id AND a.kind = 'me-too'), ''),
        CASE WHEN {ODD} THEN 'odd ' ELSE '' END ||
            's' || hex(i.service_id) || ' p' || hex(coalesce(i.priority_id, '')) || ' ' ||
            coalesce((SELECT group_concat('a' || hex(one.value), ' ')
                      FROM json_each(CASE WHEN json_valid(i.assigned) THEN i.assigned ELSE '[]' END) one), '')
    FROM incidents i JOIN incidents_place p ON p.incident_id = i.id WHERE i.id = NEW.{{id}};
"""

SQLITE = [
    """CREATE TABLE incidents_assigned (
           name text NOT NULL, resolved_at datetime NOT NULL, incident_id text NOT NULL,
           service_id text NOT NULL, priority_id text, created_at datetime NOT NULL,
           PRIMARY KEY (name, resolved_at, incident_id)) WITHOUT ROWID""",
    "CREATE INDEX incidents_assigned_to ON incidents_assigned (incident_id)",
    """CREATE INDEX incidents_assigned_by_service
       ON incidents_assigned (name, service_id, resolved_at, incident_id, priority_id, created_at)""",
    """CREATE INDEX incidents_assigned_by_priority
       ON incidents_assigned (name, priority_id, resolved_at, incident_id, service_id, created_at)""",
    "CREATE TABLE incidents_place (docid integer PRIMARY KEY, incident_id text NOT NULL UNIQUE)",
    # Marks are of the word that they stand in: else words that are decomposed, or in Hindi, would be parted at them.
    f"""CREATE VIRTUAL TABLE incidents_words USING fts5(own, people, filed,
        tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc' separators '{NO_MARKS}'")""",
    f"""CREATE INDEX incidents_odd ON incidents (created_at, resolved_at, id, service_id, priority_id)
        WHERE status = 'resolved' AND {ODD.replace("i.", "")}""",
    f"CREATE TRIGGER incidents_inserted AFTER INSERT ON incidents BEGIN {FILE.format(id='id')} END",
    f"CREATE TRIGGER incidents_updated AFTER UPDATE OF {COLUMNS} ON incidents BEGIN {FILE.format(id='id')} END",
    """CREATE TRIGGER incidents_deleted AFTER DELETE ON incidents BEGIN
       DELETE FROM incidents_words WHERE rowid = (SELECT docid FROM incidents_place WHERE incident_id = OLD.id);
       DELETE FROM incidents_place WHERE incident_id = OLD.id;
       DELETE FROM incidents_assigned WHERE incident_id = OLD.id;
       END""",
    # One that PagerDuty opened by itself is given a name of ours; what else is written then files it anew.
    """CREATE TRIGGER incidents_renamed AFTER UPDATE OF id ON incidents WHEN OLD.id <> NEW.id BEGIN
       DELETE FROM incidents_words WHERE rowid = (SELECT docid FROM incidents_place WHERE incident_id = OLD.id);
       DELETE FROM incidents_place WHERE incident_id = OLD.id;
       DELETE FROM incidents_assigned WHERE incident_id = OLD.id;
       END""",
    f"""CREATE TRIGGER incidents_responder_inserted AFTER INSERT ON incidents_responder
        BEGIN {FILE.format(id="incident_id")} END""",
    f"""CREATE TRIGGER incidents_action_inserted AFTER INSERT ON incidents_action WHEN NEW.kind = 'me-too'
        BEGIN {FILE.format(id="incident_id")} END""",
]

DROP_SQLITE = [
    *(
        f"DROP TRIGGER IF EXISTS {name}"
        for name in (
            "incidents_inserted",
            "incidents_updated",
            "incidents_deleted",
            "incidents_renamed",
            "incidents_responder_inserted",
            "incidents_action_inserted",
        )
    ),
    "DROP INDEX IF EXISTS incidents_odd",
    "DROP TABLE IF EXISTS incidents_words",
    "DROP TABLE IF EXISTS incidents_place",
    "DROP TABLE IF EXISTS incidents_assigned",
]

# ── PostgreSQL ────────────────────────────────────────────────────────────────────────────────────

#: Between words. Without it, the parser would keep addresses and hyphenated words in one piece.
PUNCTUATION = "!\"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~‘’‚“”„«»‹›–—…·•¿¡§°\u00a0\u200c\u200d" + NO_MARKS

POSTGRESQL = [
    """CREATE TABLE incidents_assigned (
           name text NOT NULL, resolved_at timestamptz NOT NULL,
           incident_id text NOT NULL REFERENCES incidents (id) ON DELETE CASCADE ON UPDATE CASCADE,
           service_id text NOT NULL, priority_id text, created_at timestamptz NOT NULL,
           PRIMARY KEY (name, resolved_at, incident_id) INCLUDE (service_id, priority_id, created_at))""",
    "CREATE INDEX incidents_assigned_to ON incidents_assigned (incident_id)",
    """CREATE INDEX incidents_assigned_by_service
       ON incidents_assigned (name, service_id, resolved_at DESC, incident_id DESC) INCLUDE (priority_id, created_at)""",
    """CREATE INDEX incidents_assigned_by_priority
       ON incidents_assigned (name, priority_id, resolved_at DESC, incident_id DESC) INCLUDE (service_id, created_at)""",
    # With what else may be asked for at the same time, so that words are looked for in one table.
    """CREATE TABLE incidents_words (
           incident_id text PRIMARY KEY REFERENCES incidents (id) ON DELETE CASCADE ON UPDATE CASCADE, words tsvector NOT NULL,
           resolved_at timestamptz, service_id text NOT NULL, priority_id text, created_at timestamptz NOT NULL,
           assigned text[] NOT NULL)""",
    "CREATE INDEX incidents_words_in ON incidents_words USING gin (words)",
    "CREATE INDEX incidents_words_order ON incidents_words (resolved_at DESC, incident_id DESC)",
    """CREATE INDEX incidents_odd ON incidents (created_at, resolved_at, id, service_id, priority_id)
       WHERE status = 'resolved' AND resolved_at - created_at NOT BETWEEN interval '-24 hours' AND interval '168 hours'
    """,
    # Parted into words, without accents: so is what is looked for. Immutable, since a database keeps its encoding: what
    # is looked for is worked out once, not for each row. In capitals a final sigma is like any other. A word that is too
    # long for an index is left out by to_tsvector.
    f"""CREATE FUNCTION incidents_plain(given text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN
            given := translate(left(given, 100000), '{PUNCTUATION}', repeat(' ', {len(PUNCTUATION) - 1}));
            IF getdatabaseencoding() = 'UTF8' THEN
                given := replace(regexp_replace(normalize(given, NFD), '[\\u0300-\\u036f]', '', 'g'), 'ς', 'σ');
            END IF;
            RETURN given;
        END $$""",
    """CREATE FUNCTION incidents_names(assigned jsonb) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS $$
           SELECT DISTINCT one FROM jsonb_array_elements_text(
               CASE jsonb_typeof(assigned) WHEN 'array' THEN assigned ELSE '[]' END) one WHERE one IS NOT NULL $$""",
    """CREATE FUNCTION incidents_index_words(of_incident text) RETURNS void LANGUAGE sql AS $$
           INSERT INTO incidents_words (incident_id, words, resolved_at, service_id, priority_id, created_at, assigned)
           SELECT i.id, to_tsvector('pg_catalog.simple', incidents_plain(concat_ws(' ',
               i.id, i.title, i.description, i.reporter_name, i.reporter_email, i.commander_name,
               i.incident_commander_email, i.acknowledged_by,
               (SELECT string_agg(one, ' ') FROM incidents_names(i.assigned) one),
               (SELECT string_agg(r.name || ' ' || r.email, ' ') FROM incidents_responder r WHERE r.incident_id = i.id),
               (SELECT string_agg(a.who || ' ' || a.email, ' ')
                FROM incidents_action a WHERE a.incident_id = i.id AND a.kind = 'me-too')
           ))), CASE i.status WHEN 'resolved' THEN i.resolved_at END, i.service_id, i.priority_id, i.created_at,
           ARRAY(SELECT incidents_names(i.assigned))
           FROM incidents i WHERE i.id = of_incident
           ON CONFLICT (incident_id) DO UPDATE SET words = EXCLUDED.words, resolved_at = EXCLUDED.resolved_at,
               service_id = EXCLUDED.service_id, priority_id = EXCLUDED.priority_id,
               created_at = EXCLUDED.created_at, assigned = EXCLUDED.assigned $$""",
    """CREATE FUNCTION incidents_file() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
           DELETE FROM incidents_assigned WHERE incident_id = NEW.id;
           IF NEW.status = 'resolved' AND NEW.resolved_at IS NOT NULL THEN
               INSERT INTO incidents_assigned (name, resolved_at, incident_id, service_id, priority_id, created_at)
               SELECT one, NEW.resolved_at, NEW.id, NEW.service_id, NEW.priority_id, NEW.created_at
               FROM incidents_names(NEW.assigned) one;
           END IF;
           PERFORM incidents_index_words(NEW.id);
           RETURN NULL;
       END $$""",
    """CREATE FUNCTION incidents_file_people() RETURNS trigger LANGUAGE plpgsql AS $$
       DECLARE
           one text;
       BEGIN
           FOR one IN SELECT DISTINCT incident_id FROM changed ORDER BY incident_id LOOP
               -- Before its words: whoever changes the incident itself takes the two in this order, as well.
               PERFORM 1 FROM incidents WHERE id = one FOR KEY SHARE;
               PERFORM incidents_index_words(one);
           END LOOP;
           RETURN NULL;
       END $$""",
    f"""CREATE TRIGGER incidents_written AFTER INSERT OR UPDATE OF {COLUMNS} ON incidents
        FOR EACH ROW EXECUTE FUNCTION incidents_file()""",
    """CREATE TRIGGER incidents_responder_inserted AFTER INSERT ON incidents_responder
       REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION incidents_file_people()""",
    """CREATE TRIGGER incidents_action_inserted AFTER INSERT ON incidents_action
       REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION incidents_file_people()""",
]

DROP_POSTGRESQL = [
    "DROP TRIGGER IF EXISTS incidents_action_inserted ON incidents_action",
    "DROP TRIGGER IF EXISTS incidents_responder_inserted ON incidents_responder",
    "DROP TRIGGER IF EXISTS incidents_written ON incidents",
    "DROP FUNCTION IF EXISTS incidents_file_people, incidents_file, incidents_index_words",
    "DROP FUNCTION IF EXISTS incidents_file_responders",  # what the first of them was called before
    "DROP FUNCTION IF EXISTS incidents_names, incidents_plain",
    "DROP INDEX IF EXISTS incidents_odd",
    "DROP TABLE IF EXISTS incidents_words, incidents_assigned",
]
