-- Ends the session that applied a mirror before, where it has the right to do so still. It is known by all of this, as a number
-- may be another session's by now, and a pooler's session another client's: $1 its process, $2 when it began, $3 its
-- application_name; and it holds the lock of the mirror $4. Needs: the role of that session.
SELECT pg_catalog.pg_terminate_backend(a.pid, 5000)
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.pid = $1
   AND a.backend_start = $2
   AND a.application_name = $3
   AND a.pid <> pg_catalog.pg_backend_pid()
   AND EXISTS (
       SELECT FROM pg_catalog.pg_locks AS l
        WHERE l.pid = a.pid
          AND l.locktype = 'advisory'
          AND l.objsubid = 1
          AND l.granted
          AND l.database = a.datid
          AND (l.classid::pg_catalog.int8 << 32) | l.objid::pg_catalog.int8
              = pg_catalog.hashtextextended('multiboard-sync mirror ' || $4, 0))
