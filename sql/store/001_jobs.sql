-- Creates the job store's first tables: jobs, databases that we make on servers, sources as last seen, and facts
-- about this installation. Times are milliseconds since 1970.

CREATE TABLE installation (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    id TEXT NOT NULL CHECK (length(id) = 8)
) STRICT;

CREATE TABLE job (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    undo TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT;

CREATE INDEX job_created ON job (created_ms, id);

CREATE TABLE made_database (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    system_identifier TEXT NOT NULL,
    name TEXT NOT NULL,
    oid INTEGER,
    made_for TEXT NOT NULL CHECK (made_for IN ('staging', 'old', 'undone')),
    of TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('intended', 'created', 'renamed', 'dropped')),
    changed_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX made_database_place ON made_database (system_identifier, name);

CREATE TABLE source_sighting (
    connection TEXT PRIMARY KEY,
    system_identifier TEXT NOT NULL,
    database_oid INTEGER NOT NULL,
    database TEXT NOT NULL,
    loopback INTEGER NOT NULL CHECK (loopback IN (0, 1)),
    at_ms INTEGER NOT NULL
) STRICT;
