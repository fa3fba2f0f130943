-- Ends the sessions that bring tables into mirror $1, where ours is the one that has the right to apply it: then they are left
-- from a process, or a connection, that is gone, and what they do will not be committed by anybody. Their COMMIT may be on its way:
-- they are gone when this returns, within 5 s each. Needs: the role of those sessions.
WITH held AS (
       SELECT l.pid,
              l.mode,
              (l.classid::pg_catalog.int8 << 32) | l.objid::pg_catalog.int8 AS key
         FROM pg_catalog.pg_locks AS l
        WHERE l.locktype = 'advisory'
          AND l.objsubid = 1
          AND l.granted
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()))
SELECT pg_catalog.pg_terminate_backend(a.pid, 5000)
  FROM held AS h
  JOIN pg_catalog.pg_stat_activity AS a ON a.pid = h.pid
 WHERE h.key = pg_catalog.hashtextextended('multiboard-sync join ' || $1, 0)
   AND a.pid <> pg_catalog.pg_backend_pid()
   AND pg_catalog.pg_has_role(a.usesysid, 'USAGE')
   AND EXISTS (
       SELECT FROM held AS own
        WHERE own.pid = pg_catalog.pg_backend_pid()
          AND own.mode = 'ExclusiveLock'
          AND own.key = pg_catalog.hashtextextended('multiboard-sync mirror ' || $1, 0))
