-- What jobs said while they ran: their events in order, as the live stream carries them, and how far each was when it last said so.
CREATE TABLE event (
    job TEXT NOT NULL,
    seq INTEGER NOT NULL,
    frame TEXT NOT NULL,
    PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE progress (
    job TEXT PRIMARY KEY,
    data TEXT NOT NULL,
    changed_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
