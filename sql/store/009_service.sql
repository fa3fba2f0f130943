-- What a server needs to run jobs for others. What was seen of a job takes the place of its progress.
DROP TABLE progress;
CREATE TABLE seen (
    job TEXT PRIMARY KEY,
    data TEXT NOT NULL,
    changed_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Each attempt at a job, as its record had it.
CREATE TABLE run (
    job TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (job, attempt)
) STRICT, WITHOUT ROWID;

-- What is wanted of a job by somebody who does not run it. It outlives a process, and ends with the job.
CREATE TABLE job_wish (
    job TEXT PRIMARY KEY,
    wanted TEXT NOT NULL CHECK (wanted IN ('cancel')),
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What became of jobs, over all of them: the topic `jobs` of the live stream.
CREATE TABLE job_change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;

-- Who may use the server. Of a token only a hash is kept.
CREATE TABLE token (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    scope TEXT NOT NULL CHECK (scope IN ('read', 'run', 'admin')),
    hash BLOB NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Requests that were answered, by the key that the client gave them: asked again they are answered alike.
CREATE TABLE answered (
    token TEXT NOT NULL,
    key TEXT NOT NULL,
    asked BLOB NOT NULL,
    job TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (token, key)
) STRICT, WITHOUT ROWID;

-- When somebody last looked whether this file can be written.
CREATE TABLE written (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    at_ms INTEGER NOT NULL
) STRICT;
