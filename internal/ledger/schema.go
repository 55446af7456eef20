package ledger

// applicationID marks the file as a ledger (PRAGMA application_id). It is "kzdp" in ASCII, which file(1) shows.
const applicationID = 0x6b7a6470

// migrations lead from an empty file to the present schema: the n-th, counted from 1, makes version n from version n-1 (PRAGMA
// user_version). A released migration is never edited; a change is a new one at the end.
//
// People query the file with the sqlite3 of their system, so nothing here needs more than SQLite 3.37.
func migrations() []string { return []string{schema1, schema2, schema3} }

const schema1 = `
CREATE TABLE delivery (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again, so that a log line stays true
	folder      BLOB    NOT NULL,                   -- absolute path; CAST(folder AS TEXT) reads it
	action      TEXT    NOT NULL,                   -- Image, Album, Audio, Document, Video
	state       TEXT    NOT NULL CHECK (state IN ('claimed', 'uploaded', 'posting', 'posted', 'filed', 'failed')),
	reason      TEXT    NOT NULL DEFAULT '',        -- why it waits or why it failed
	attempts    INTEGER NOT NULL DEFAULT 0,
	group_id    TEXT    NOT NULL DEFAULT '',
	caption     TEXT    NOT NULL DEFAULT '',
	resource    TEXT    NOT NULL DEFAULT '',        -- mediaResource of the upload, until it is filed
	reference   TEXT    NOT NULL DEFAULT '',        -- referenceId of the post
	maybe_twice INTEGER NOT NULL DEFAULT 0 CHECK (maybe_twice IN (0, 1)),
	settled_at  TEXT    NOT NULL,                   -- all times are UTC
	claimed_at  TEXT    NOT NULL,
	updated_at  TEXT    NOT NULL,
	finished_at TEXT,                               -- NULL: there is something left to do
	CHECK ((state = 'filed') <= (finished_at IS NOT NULL)),
	CHECK (finished_at IS NULL OR state IN ('filed', 'failed'))
) STRICT;

CREATE INDEX delivery_open ON delivery (id) WHERE finished_at IS NULL;
CREATE INDEX delivery_finished ON delivery (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE file (
	delivery INTEGER NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
	position INTEGER NOT NULL,  -- within an album, from 0
	name     BLOB    NOT NULL,  -- relative to the folder; CAST(name AS TEXT) reads it
	dev      INTEGER NOT NULL,  -- dev and ino are unsigned: beyond 2^63 they look negative here
	ino      INTEGER NOT NULL,
	size     INTEGER NOT NULL,
	mtime_ns INTEGER NOT NULL,
	ctime_ns INTEGER NOT NULL,
	sha256   BLOB CHECK (length(sha256) = 32),
	dest     BLOB,              -- path where it lies now; NULL: not moved
	PRIMARY KEY (delivery, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX file_ino ON file (ino);

-- One line per file, the latest last.
CREATE VIEW history AS
SELECT d.id, coalesce(d.finished_at, d.updated_at) AS at,
       CAST(d.folder AS TEXT) AS folder, CAST(f.name AS TEXT) AS name,
       d.action, d.state, d.reason, CAST(f.dest AS TEXT) AS dest
FROM delivery d JOIN file f ON f.delivery = d.id
ORDER BY d.id, f.position;

-- One line per delivery that is not at its end, the oldest first.
CREATE VIEW waiting AS
SELECT d.id, d.settled_at AS since, CAST(d.folder AS TEXT) AS folder,
       (SELECT group_concat(name, ', ') FROM
           (SELECT CAST(f.name AS TEXT) AS name FROM file f WHERE f.delivery = d.id ORDER BY f.position)) AS names,
       d.state, d.attempts, d.reason
FROM delivery d
WHERE d.finished_at IS NULL
ORDER BY d.id;
`

// schema2 keeps the name of the claim of a file that is found again under another name. Queries rely on the columns of
// history, so its new column is the last.
const schema2 = `
ALTER TABLE file ADD COLUMN claimed_as BLOB /* name when it was claimed; NULL: the same */;

DROP VIEW history;

-- One line per file, the latest last. WHERE 'x' IN (name, claimed_as) finds a file by either name.
CREATE VIEW history AS
SELECT d.id, coalesce(d.finished_at, d.updated_at) AS at,
       CAST(d.folder AS TEXT) AS folder, CAST(f.name AS TEXT) AS name,
       d.action, d.state, d.reason, CAST(f.dest AS TEXT) AS dest, CAST(f.claimed_as AS TEXT) AS claimed_as
FROM delivery d JOIN file f ON f.delivery = d.id
ORDER BY d.id, f.position;
`

// schema3 adds several destinations. The new columns of the views are their last.
const schema3 = `
ALTER TABLE delivery ADD COLUMN destination TEXT NOT NULL DEFAULT 'kaizala' /* name of where it goes */;
ALTER TABLE delivery ADD COLUMN key TEXT NOT NULL DEFAULT '' /* its own for ever, by which a destination can know it; '': claimed by an older version */;
ALTER TABLE delivery ADD COLUMN posting_at TEXT /* when its post was begun first; NULL: never, or by an older version */;

DROP VIEW history;
DROP VIEW waiting;

-- One line per file, the latest last. WHERE 'x' IN (name, claimed_as) finds a file by either name.
CREATE VIEW history AS
SELECT d.id, coalesce(d.finished_at, d.updated_at) AS at,
       CAST(d.folder AS TEXT) AS folder, CAST(f.name AS TEXT) AS name,
       d.action, d.state, d.reason, CAST(f.dest AS TEXT) AS dest, CAST(f.claimed_as AS TEXT) AS claimed_as, d.destination
FROM delivery d JOIN file f ON f.delivery = d.id
ORDER BY d.id, f.position;

-- One line per delivery that is not at its end, the oldest first.
CREATE VIEW waiting AS
SELECT d.id, d.settled_at AS since, CAST(d.folder AS TEXT) AS folder,
       (SELECT group_concat(name, ', ') FROM
           (SELECT CAST(f.name AS TEXT) AS name FROM file f WHERE f.delivery = d.id ORDER BY f.position)) AS names,
       d.state, d.attempts, d.reason, d.destination
FROM delivery d
WHERE d.finished_at IS NULL
ORDER BY d.id;
`
