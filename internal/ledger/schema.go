package ledger

// applicationID marks the file as a ledger (PRAGMA application_id). It is "kzdp" in ASCII, which file(1) shows.
const applicationID = 0x6b7a6470

// migrations lead from an empty file to the present schema: the n-th, counted from 1, makes version n from version n-1 (PRAGMA
// user_version). A released migration is never edited; a change is a new one at the end.
//
// People query the file with the sqlite3 of their system, so nothing here needs more than SQLite 3.37.
func migrations() []string { return []string{schema1, schema2, schema3, schema4} }

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

// schema4 knows what people asked of failed files, and finds deliveries by the names of their files. A name is searched for by the
// last part of its path, which SQLite's functions cannot tell of bytes in one expression: so it has a column.
const schema4 = `
ALTER TABLE file ADD COLUMN base BLOB /* last part of name */;
ALTER TABLE file ADD COLUMN claimed_base BLOB /* last part of claimed_as; NULL: that of name */;
ALTER TABLE file ADD COLUMN dest_base BLOB /* last part of dest; NULL: that of name */;

UPDATE file SET base = name WHERE instr(name, x'2f') = 0;

WITH RECURSIVE cut (delivery, position, rest) AS (
	SELECT delivery, position, name FROM file WHERE base IS NULL
	UNION ALL SELECT delivery, position, substr(rest, instr(rest, x'2f') + 1) FROM cut WHERE instr(rest, x'2f') > 0)
UPDATE file SET base = cut.rest FROM cut
WHERE file.delivery = cut.delivery AND file.position = cut.position AND instr(cut.rest, x'2f') = 0;

WITH RECURSIVE cut (delivery, position, rest) AS (
	SELECT delivery, position, claimed_as FROM file WHERE claimed_as IS NOT NULL
	UNION ALL SELECT delivery, position, substr(rest, instr(rest, x'2f') + 1) FROM cut WHERE instr(rest, x'2f') > 0)
UPDATE file SET claimed_base = nullif(cut.rest, base) FROM cut
WHERE file.delivery = cut.delivery AND file.position = cut.position AND instr(cut.rest, x'2f') = 0;

WITH RECURSIVE cut (delivery, position, rest) AS (
	SELECT delivery, position, dest FROM file WHERE substr(dest, -1 - length(base)) <> CAST('/' || base AS BLOB)
	UNION ALL SELECT delivery, position, substr(rest, instr(rest, x'2f') + 1) FROM cut WHERE instr(rest, x'2f') > 0)
UPDATE file SET dest_base = nullif(cut.rest, base) FROM cut
WHERE file.delivery = cut.delivery AND file.position = cut.position AND instr(cut.rest, x'2f') = 0;

CREATE INDEX file_base ON file (base);
CREATE INDEX file_claimed_base ON file (claimed_base) WHERE claimed_base IS NOT NULL;
CREATE INDEX file_dest_base ON file (dest_base) WHERE dest_base IS NOT NULL;
CREATE INDEX delivery_folder ON delivery (folder);
CREATE INDEX delivery_failed ON delivery (id) WHERE state = 'failed';

CREATE TABLE asked (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	delivery INTEGER NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
	position INTEGER NOT NULL,            -- of the file
	what     TEXT    NOT NULL CHECK (what IN ('retry', 'as-it-is', 'post-again', 'post-again, as-it-is', 'was-posted')),
	asked_by TEXT    NOT NULL,
	asked_at TEXT    NOT NULL,
	state    TEXT    NOT NULL CHECK (state IN ('asked', 'done', 'void')),
	reason   TEXT    NOT NULL DEFAULT '', -- why nothing was done
	path     BLOB    NOT NULL,            -- where the file lay; CAST(path AS TEXT) reads it
	dev      INTEGER NOT NULL,            -- which file it was there, and since it is done, which one where it was put
	ino      INTEGER NOT NULL,
	size     INTEGER NOT NULL,
	mtime_ns INTEGER NOT NULL,
	dest     BLOB,                        -- where it was put; NULL: nowhere yet
	done_at  TEXT,
	became   INTEGER,                     -- the delivery that took it up there; NULL: none yet
	CHECK ((state = 'asked') = (done_at IS NULL))
) STRICT;

CREATE UNIQUE INDEX asked_open ON asked (delivery, position) WHERE state = 'asked';
CREATE INDEX asked_delivery ON asked (delivery, position);
CREATE INDEX asked_path ON asked (path);
CREATE INDEX asked_became ON asked (became) WHERE became IS NOT NULL;
CREATE INDEX asked_size ON asked (size) WHERE became IS NULL AND state <> 'void' AND what <> 'was-posted';
`
