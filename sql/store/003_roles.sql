-- Roles that clones create on a server, from before they exist until they are dropped again or belong to a clone that is
-- in place.
CREATE TABLE made_role (
    job TEXT NOT NULL,
    system_identifier TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (job, system_identifier, name)
) STRICT;
