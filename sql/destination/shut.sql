-- Whether a session has a database locked against new sessions, as a rename has that waits for the old ones to leave.
-- $1 the database's oid, $2 the process of that session. Any role may read this.
SELECT EXISTS (
       SELECT FROM pg_catalog.pg_locks AS l
        WHERE l.locktype = 'object'
          AND l.classid = 'pg_catalog.pg_database'::pg_catalog.regclass
          AND l.objid = $1
          AND l.mode = 'AccessExclusiveLock'
          AND l.granted
          AND l.pid = $2) AS shut
