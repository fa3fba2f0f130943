-- A mirror may be wanted to stand still for a moment, which is no pause: a word more, so the table is made anew.
ALTER TABLE mirror RENAME TO mirror_before;
CREATE TABLE mirror (
    name TEXT PRIMARY KEY,
    job TEXT NOT NULL,
    wanted TEXT NOT NULL CHECK (wanted IN ('run', 'pause', 'still')),
    phase TEXT NOT NULL,
    definition TEXT NOT NULL,
    standing TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL
) STRICT;
INSERT INTO mirror (name, job, wanted, phase, definition, standing, created_ms, changed_ms)
    SELECT name, job, wanted, phase, definition, standing, created_ms, changed_ms FROM mirror_before;
DROP TABLE mirror_before;
