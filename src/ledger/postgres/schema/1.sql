-- The ledger, version 1. What `hash` covers is written in src/ledger/chain.rs.

-- Whoever writes a chain. While its process lives, it holds the advisory lock
-- ('ledger_writers'::regclass, id).
CREATE TABLE ledger_writers (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE ledger_rows (
    place           bigint NOT NULL GENERATED ALWAYS AS IDENTITY, -- behind all rows that could be seen
    writer          text NOT NULL,      -- whose chain
    seq             bigint NOT NULL,    -- place in the chain, from 1, without gaps
    entry           text NOT NULL,
    nth             integer NOT NULL,   -- how many rows the entry had before it
    kind            text NOT NULL,
    at              bigint NOT NULL,    -- microseconds since 1970, UTC
    service_account text,
    route           text,
    meta            text NOT NULL,      -- JSON; this very text is what is hashed
    field_values    text,               -- JSON; NULL: none, or erased
    salt            bytea,              -- 16 random bytes; erased together with the values
    values_digest   bytea,              -- SHA-256(salt || field_values); stays
    hash            bytea NOT NULL,     -- SHA-256 over all this and the hash before
    CONSTRAINT ledger_rows_in_a_chain PRIMARY KEY (writer, seq),
    -- Two replicas that take the same step of an entry: one of them does not.
    CONSTRAINT ledger_rows_by_entry UNIQUE (entry, nth)
);

CREATE UNIQUE INDEX ledger_rows_by_place ON ledger_rows (place);
CREATE INDEX ledger_rows_by_kind ON ledger_rows (kind, place);
CREATE INDEX ledger_rows_by_service_account ON ledger_rows (service_account, place);
CREATE INDEX ledger_rows_by_time ON ledger_rows (at);

-- Entries that were opened and neither closed nor reconciled: follows from the rows, kept so that a
-- start need not read them all. `verify` compares.
CREATE TABLE ledger_unclosed (
    entry  text PRIMARY KEY,
    writer text NOT NULL,
    seq    bigint NOT NULL
);

-- Grants of an older epoch are not written any more. Whoever writes a grant shares the advisory lock
-- ('ledger_writers'::regclass, 0); whoever raises the epoch has it alone.
CREATE TABLE ledger_epoch (epoch bigint NOT NULL);
INSERT INTO ledger_epoch VALUES (1);

-- Written to find out whether the server takes writes again.
CREATE TABLE ledger_probe (writes bigint NOT NULL);
INSERT INTO ledger_probe VALUES (0);

CREATE FUNCTION ledger_lock() RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT ('ledger_writers'::regclass::oid::bigint::bit(32))::integer
$$;

-- The server process that holds the lock on a writer's name.
CREATE FUNCTION ledger_holder(of_writer text) RETURNS integer LANGUAGE sql AS $$
    SELECT pid FROM ledger_writers, pg_locks
    WHERE name = of_writer AND locktype = 'advisory' AND granted AND objsubid = 2
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid = 'ledger_writers'::regclass AND objid = id::oid
$$;

-- Appends rows at the end of a chain, all in one statement: it is done, or it is not. Nothing is
-- written where a grant among them is of an older epoch: then it returns the epoch.
CREATE FUNCTION ledger_append(
    of_writer text, first bigint, oldest_grant bigint,
    entries text[], nths integer[], kinds text[], ats bigint[], service_accounts text[],
    routes text[], metas text[], all_values text[], salts bytea[], digests bytea[], hashes bytea[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    in_force bigint;
    ended bigint;
BEGIN
    IF oldest_grant IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock_shared(ledger_lock(), 0);
        SELECT epoch INTO STRICT in_force FROM ledger_epoch;
        IF oldest_grant < in_force THEN
            RETURN in_force;
        END IF;
    END IF;
    SELECT coalesce(max(seq), 0) INTO ended FROM ledger_rows WHERE writer = of_writer;
    IF ended <> first - 1 THEN
        RAISE EXCEPTION 'the chain of % ends at %, not at %', of_writer, ended, first - 1;
    END IF;

    INSERT INTO ledger_rows (writer, seq, entry, nth, kind, at, service_account, route, meta,
        field_values, salt, values_digest, hash)
    SELECT of_writer, first + number - 1, entry, nth, kind, at, service_account, route, meta,
        field_values, salt, digest, hash
    FROM unnest(entries, nths, kinds, ats, service_accounts, routes, metas, all_values, salts,
        digests, hashes) WITH ORDINALITY AS new(entry, nth, kind, at, service_account, route, meta,
        field_values, salt, digest, hash, number)
    ORDER BY number; -- places follow it

    WITH last AS (
        SELECT DISTINCT ON (entry) entry, kind, first + number - 1 AS seq
        FROM unnest(entries, kinds) WITH ORDINALITY AS new(entry, kind, number)
        WHERE kind IN ('opened', 'closed', 'reconciled')
        ORDER BY entry, number DESC
    ), gone AS (
        DELETE FROM ledger_unclosed USING last
        WHERE ledger_unclosed.entry = last.entry AND last.kind <> 'opened'
    )
    INSERT INTO ledger_unclosed SELECT entry, of_writer, seq FROM last WHERE kind = 'opened';
    RETURN NULL;
END
$$;

-- Raises the epoch by one where it is the one that is given; NULL where it is not.
CREATE FUNCTION ledger_raise_epoch(given bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    raised bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(ledger_lock(), 0);
    UPDATE ledger_epoch SET epoch = epoch + 1 WHERE epoch = given RETURNING epoch INTO raised;
    RETURN raised;
END
$$;

CREATE FUNCTION ledger_row_stays_as_it_is() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.field_values IS NULL AND NEW.salt IS NULL
        AND (NEW.place, NEW.writer, NEW.seq, NEW.entry, NEW.nth, NEW.kind, NEW.at, NEW.meta, NEW.hash)
          = (OLD.place, OLD.writer, OLD.seq, OLD.entry, OLD.nth, OLD.kind, OLD.at, OLD.meta, OLD.hash)
        AND NEW.service_account IS NOT DISTINCT FROM OLD.service_account
        AND NEW.route IS NOT DISTINCT FROM OLD.route
        AND NEW.values_digest IS NOT DISTINCT FROM OLD.values_digest
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a row of the ledger is never changed; only its values can be erased';
END
$$;

CREATE FUNCTION ledger_rows_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of the ledger is never deleted';
END
$$;

CREATE TRIGGER ledger_rows_stay_as_they_are BEFORE UPDATE ON ledger_rows
    FOR EACH ROW EXECUTE FUNCTION ledger_row_stays_as_it_is();
CREATE TRIGGER ledger_rows_stay BEFORE DELETE ON ledger_rows
    FOR EACH ROW EXECUTE FUNCTION ledger_rows_stay();
CREATE TRIGGER ledger_rows_stay_all BEFORE TRUNCATE ON ledger_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_rows_stay();
