-- Ends the sessions that hold a job's advisory lock: of an earlier session of that job, which alone takes it.
-- $1 the lock's key. Needs: the role of those sessions.
SELECT pg_catalog.pg_terminate_backend(l.pid, 5000)
  FROM pg_catalog.pg_locks AS l
 WHERE l.locktype = 'advisory'
   AND l.objsubid = 1
   AND l.granted
   AND l.pid <> pg_catalog.pg_backend_pid()
   AND (l.classid::pg_catalog.int8 << 32) | l.objid::pg_catalog.int8 = $1
