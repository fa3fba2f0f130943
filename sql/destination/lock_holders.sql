-- Who has a lock on one of the tables $1 (oids) that keeps us from removing their rows, in words: by DELETE ($2), which goes beside
-- readers, or by TRUNCATE. Any role may read this; of other roles' sessions it sees process and role only.
SELECT pg_catalog.concat_ws(', ', coalesce('process ' || l.pid, 'a prepared transaction'), 'of ' || a.usename, a.state,
           'in a transaction since ' || pg_catalog.date_trunc('second', a.xact_start)) AS who
  FROM pg_catalog.pg_locks AS l
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
   AND l.relation = ANY ($1::pg_catalog.oid[])
   AND NOT ($2 AND l.mode IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock'))
 ORDER BY l.pid
 LIMIT 1
