-- The ledger, version 1. What `hash` covers is written in src/ledger/chain.rs.

CREATE TABLE rows (
    seq             INTEGER PRIMARY KEY,        -- place in the chain, from 1, without gaps
    writer          TEXT NOT NULL,              -- whose chain; one for each file
    entry           TEXT NOT NULL,
    nth             INTEGER NOT NULL,           -- how many rows the entry had before it
    kind            TEXT NOT NULL,
    at              INTEGER NOT NULL,           -- microseconds since 1970, UTC
    service_account TEXT,
    route           TEXT,
    meta            TEXT NOT NULL,              -- JSON; this very text is what is hashed
    field_values    TEXT,                       -- JSON; NULL: none, or erased
    salt            BLOB,                       -- 16 random bytes; erased together with the values
    values_digest   BLOB,                       -- SHA-256(salt || field_values); stays
    hash            BLOB NOT NULL               -- SHA-256 over all this and the hash before
) STRICT;

CREATE UNIQUE INDEX rows_by_entry ON rows (entry, nth);
CREATE INDEX rows_by_kind ON rows (kind);
CREATE INDEX rows_by_service_account ON rows (service_account);
CREATE INDEX rows_by_time ON rows (at);

-- Entries that were opened and neither closed nor reconciled: follows from `rows`, kept so that a
-- start need not read them all. `verify` compares.
CREATE TABLE unclosed (
    entry TEXT PRIMARY KEY,
    seq   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Grants of an older epoch are not written any more.
CREATE TABLE epoch (epoch INTEGER NOT NULL) STRICT;
INSERT INTO epoch VALUES (1);

-- Written to find out whether the disk takes writes again.
CREATE TABLE probe (writes INTEGER NOT NULL) STRICT;
INSERT INTO probe VALUES (0);

CREATE TRIGGER rows_stay_as_they_are BEFORE UPDATE ON rows
WHEN NOT (
    NEW.field_values IS NULL AND NEW.salt IS NULL
    AND NEW.seq IS OLD.seq AND NEW.writer IS OLD.writer AND NEW.entry IS OLD.entry
    AND NEW.nth IS OLD.nth AND NEW.kind IS OLD.kind AND NEW.at IS OLD.at
    AND NEW.service_account IS OLD.service_account AND NEW.route IS OLD.route
    AND NEW.meta IS OLD.meta AND NEW.values_digest IS OLD.values_digest AND NEW.hash IS OLD.hash
)
BEGIN
    SELECT RAISE(ABORT, 'a row of the ledger is never changed; only its values can be erased');
END;

CREATE TRIGGER rows_stay BEFORE DELETE ON rows
BEGIN
    SELECT RAISE(ABORT, 'a row of the ledger is never deleted');
END;

-- REPLACE would delete without asking the trigger above.
CREATE TRIGGER rows_come_last BEFORE INSERT ON rows
WHEN NEW.seq <= (SELECT max(seq) FROM rows)
BEGIN
    SELECT RAISE(ABORT, 'a row of the ledger is only ever added at the end');
END;

CREATE TRIGGER rows_open_once BEFORE INSERT ON rows
WHEN NEW.kind = 'opened'
    AND EXISTS (SELECT 1 FROM rows WHERE entry = NEW.entry AND +kind = 'opened') -- by entry, not kind
BEGIN
    SELECT RAISE(ABORT, 'the entry is opened already');
END;
