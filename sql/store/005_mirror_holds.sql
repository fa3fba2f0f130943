-- Who holds a mirror back: a lease, renewed by the job that wants it, answered by the process that runs the mirror.
-- `held_at` is `now` or a position of the source's log.
CREATE TABLE mirror_hold (
    mirror TEXT PRIMARY KEY,
    held_by TEXT NOT NULL,
    held_at TEXT NOT NULL,
    renewed INTEGER NOT NULL,
    reached INTEGER NOT NULL
) STRICT;
