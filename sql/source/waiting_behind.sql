-- Sessions that wait for a lock which one of these backends holds, and for how long they have been waiting.
-- $1 process ids of our own backends. Any role may see who waits; other roles' query texts need pg_read_all_stats.
SELECT w.pid,
       coalesce(a.usename, '') AS username,
       coalesce(pg_catalog.left(a.query, 200), '') AS query,
       w.seconds
  FROM (
       SELECT l.pid,
              coalesce(pg_catalog.max(pg_catalog.date_part('epoch',
                  pg_catalog.clock_timestamp() - l.waitstart)), 0)::float8 AS seconds
         FROM pg_catalog.pg_locks AS l
        WHERE NOT l.granted
          AND NOT (l.pid = ANY ($1::pg_catalog.int4[]))
        GROUP BY l.pid) AS w
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = w.pid
 WHERE pg_catalog.pg_blocking_pids(w.pid) && $1::pg_catalog.int4[]
 ORDER BY w.pid
