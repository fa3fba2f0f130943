-- Mirrors, one row a name, from before anything of one is made on its source until it is dropped. What is wanted of it is
-- written by whoever asks, the rest by the process that runs it: so they are columns of their own.
CREATE TABLE mirror (
    name TEXT PRIMARY KEY,
    job TEXT NOT NULL,
    wanted TEXT NOT NULL CHECK (wanted IN ('run', 'pause')),
    phase TEXT NOT NULL,
    definition TEXT NOT NULL,
    standing TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL
) STRICT;
