-- Sessions that wait for a lock which one of these backends holds.
-- $1 process ids of our own backends. Any role may read this; other roles' query texts need pg_read_all_stats.
SELECT a.pid,
       coalesce(a.usename, '') AS username,
       coalesce(pg_catalog.left(a.query, 200), '') AS query,
       coalesce(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.query_start), 0)::float8 AS seconds
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.wait_event_type = 'Lock'
   AND pg_catalog.pg_blocking_pids(a.pid) && $1::pg_catalog.int4[]
 ORDER BY a.pid
